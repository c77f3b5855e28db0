// Every layer and head as a small map that is a button; put in order by what is measured of each.
const ORDERS = [["as", "layer by layer"]];

const named = ([layer, head]) => `${layer} ${head ?? ""}`;
const element = (tag, name, parent, text) => {
  const made = document.createElement(tag);
  made.className = name;
  if (text !== undefined) made.textContent = text;
  parent.append(made);
  return made;
};

function cell(parent, data, each, press) {
  const button = element("button", "", parent);
  button.type = "button";
  button.dataset.of = named(each.of);
  const map = element("span", "map", button);
  map.style.aspectRatio = data.aspect;
  map.style.backgroundImage = `url(${data.picture})`;
  const heat = element("i", "", map).style;
  heat.backgroundImage = `url(${data.sprite})`;
  heat.backgroundSize = `${100 * data.columns}% ${100 * data.rows}%`;
  const share = (index, count) => (count > 1 ? (100 * index) / (count - 1) : 0);
  heat.backgroundPosition = `${share(each.column, data.columns)}% ${share(each.row, data.rows)}%`;
  const note = element("span", "note", button);
  element("b", "", note, each.short);
  element("span", "", note, data.measures.map((measure) => each[measure.key]?.toFixed(measure.digits)).filter(Boolean).join(" · "));
  const said = data.measures.filter((measure) => each[measure.key] != null).map((measure) => `${measure.key} ${each[measure.key].toFixed(measure.digits)}`);
  button.setAttribute("aria-label", [each.name, ...said].join(", "));
  button.title = [each.name, ...said].join("\n");
  button.onclick = () => press(each);
  return button;
}

export default function ({ parentElement: root, data, setTriggerValue }) {
  const [sheet, order] = [root.querySelector(".sheet"), root.querySelector("select")];
  root.querySelector(".legend").textContent = data.legend;
  sheet.setAttribute("aria-label", "Layers and heads");
  const orders = [...ORDERS, ...data.measures.flatMap((measure) => measure.orders.map(([way, words]) => [`${way} ${measure.key}`, words]))];
  if (order.options.length !== orders.length) {
    order.replaceChildren(...orders.map(([value, words]) => new Option(words, value)));
  }

  const mark = (of) => {
    for (const button of sheet.querySelectorAll("button")) {
      button.setAttribute("aria-pressed", String(button.dataset.of === of));
    }
  };
  const press = (each) => {
    mark(named(each.of));
    document.dispatchEvent(new CustomEvent("l2ltr-head", { detail: each.of }));  // `sight` shows it at once
    setTriggerValue("picked", each.of);
    document.querySelector(data.shown_at)?.scrollIntoView({ behavior: "smooth", block: "start" });
  };
  const lay = () => {
    const [way, key] = order.value.split(" ");
    const matrix = way === "as";
    sheet.replaceChildren();
    sheet.className = `sheet${matrix ? " matrix" : ""}${data.columns > 6 ? " many" : ""}`;
    sheet.style.setProperty("--columns", data.columns);
    if (matrix) {
      element("span", "column", sheet, "");
      for (const name of data.column_names) element("span", "column", sheet, name);
    }
    const cells = matrix ? data.cells : data.cells.filter((each) => each[key] != null);
    if (!matrix) cells.sort((a, b) => (way === "up" ? a[key] - b[key] : b[key] - a[key]));
    for (const each of cells) {
      if (matrix && each.column === 0) element("span", "row", sheet, data.row_names[each.row]);
      cell(sheet, data, each, press);
    }
    mark(data.chosen);
  };
  order.onchange = lay;
  // the maps stay as they are, with the keyboard's place in them, when only the choice is another
  const drawn = JSON.stringify([data.sprite, data.picture, data.cells]);
  if (root.drawn !== drawn) lay();
  else for (const button of sheet.querySelectorAll("button")) {
    const each = data.cells.find((one) => named(one.of) === button.dataset.of);
    button.onclick = () => press(each);
  }
  root.drawn = drawn;
  mark(data.chosen);
}
