// A cell has been clicked: show the unit's prototype, its hits and the rows that fell on it.
const escaped = (text) => {
  const element = document.createElement("span")
  element.textContent = text
  return element.innerHTML
}
const table = (head, body) => {
  const cell = (tag) => (text) => `<${tag} style="padding:0 .6em 0 0;text-align:left">${escaped(text)}</${tag}>`
  const line = (tag) => (texts) => `<tr>${texts.map(cell(tag)).join("")}</tr>`
  return `<div style="overflow:auto;max-width:${width}px;max-height:17em"><table style="white-space:nowrap">${line("th")(head)}${body.map(line("td")).join("")}</table></div>`
}
const number = (value, digits = 4) => String(Number(value.toPrecision(digits)))

if (cells.selected.indices.length === 0) {
  details.text = "Click a unit to see what stands behind it."
} else {
  const unit = cells.selected.indices[0]
  const features = names.map((name, i) => [name, "f" + i])
  const data = cells.data
  let text = `<h3>Unit ${unit}: row ${data.row[unit]}, column ${data.column[unit]}</h3>`
  if (data.hits !== undefined) {
    text += `<p>${data.hits[unit]} ${data.hits[unit] === 1 ? "hit" : "hits"}`
    text += data.label !== undefined && data.label[unit] !== "" ? `, most often ${escaped(data.label[unit])}</p>` : "</p>"
  }
  text += "<b>Prototype</b>"
  text += table(["feature", "value"], features.map(([name, key]) => [name, number(layers.data[key][unit])]))
  if (rows.data.unit !== undefined) {
    const here = Array.from(rows.data.unit.keys()).filter((i) => rows.data.unit[i] === unit)
    const labeled = rows.data.label !== undefined
    const head = ["row", ...(labeled ? ["class"] : []), ...columns]
    // as many digits as the type holds: a number of a row may be a name
    const shown = (values, i) =>
      typeof values[i] === "number" ? number(values[i], values instanceof Float32Array ? 7 : 15) : values[i]
    const line = (i) => [
      rows.data.name[i],
      ...(labeled ? [rows.data.label[i]] : []),
      ...columns.map((_, j) => shown(rows.data["c" + j], i)),
    ]
    text += `<b>Rows (${here.length})</b>` + table(head, here.map(line))
  }
  details.text = text
}
