// The select has changed: color the cells by another layer.
const key = cb_obj.value
const values = layers.data[key]
const palette = palettes[key]
if (palette !== undefined) {
  mapper.setv({palette: palette, low: -0.5, high: palette.length - 0.5})
} else {
  const finite = Array.from(values).filter(Number.isFinite)
  const low = finite.reduce((a, b) => Math.min(a, b), Infinity)
  const high = finite.reduce((a, b) => Math.max(a, b), -Infinity)
  mapper.setv({palette: ramp, low: low, high: high > low ? high : low + 1})
}
bar.visible = palette === undefined
legend.visible = palette !== undefined
const chosen = cb_obj.options.find((option) => option[0] === key)
title.text = chosen[1]
// hits and classes have lines of their own in the hover box
hover.tooltips = tips.filter(([name]) => name !== "shown" || (key !== "hits" && key !== "label"))
cells.data.value = values
cells.change.emit()
ghosts.data.value = Array.from(ghosts.data.unit, (unit) => values[unit])
ghosts.change.emit()
