// The photo, the unrolled tile and the square tile under their heat, with one line of sight through all three.
// Moving the pointer turns the line in the browser alone; a click, or the arrow keys, tell Python.
const WINDS = ["N", "NE", "E", "SE", "S", "SW", "W", "NW"];
const STEP_DEG = { ArrowLeft: -5, ArrowDown: -5, ArrowRight: 5, ArrowUp: 5, PageDown: -45, PageUp: 45 };
const SETTLE_MS = 250;
const TILE_PX = 320;

const turn = (degrees) => ((degrees % 360) + 360) % 360;
const wind = (degrees) => WINDS[Math.round(turn(degrees) / 45) % 8];
const element = (tag, name, parent) => {
  const made = document.createElement(tag);
  made.className = name;
  parent.append(made);
  return made;
};

// A range that runs over the right edge goes on at the left one.
const aroundTheEdge = ([left, width]) =>
  left + width > 1 ? [[left, 1 - left], [0, left + width - 1]] : [[left, width]];

function compass(parent) {
  const ribbon = element("div", "compass", parent);
  ribbon.setAttribute("aria-hidden", "true");
  for (let degrees = -180; degrees <= 180; degrees += 30) {
    const mark = element("span", degrees % 90 ? "small" : "main", ribbon);
    mark.textContent = degrees % 90 ? `${turn(degrees)}°` : wind(degrees);
    mark.style.left = `${(degrees + 180) / 3.6}%`;
  }
}

function picture(parent, kind, data) {
  const figure = element("figure", kind, parent);
  const title = element("figcaption", "", figure);
  element("b", "", title);
  element("output", "", title);
  const view = element("div", "view", figure);
  for (const layer of ["base", "heat"]) element("img", layer, view);
  element("div", "patch", view);
  element("div", "ray", view);
  element("div", "mark", view);
  if (kind === "strip") compass(figure);
  else {
    for (const name of ["camera", "north", "metres"]) element("span", name, view);
    view.querySelector(".north").innerHTML = "▲<br>N";
  }
  return figure;
}

// Pictures that are there already are filled anew, so that nothing blinks.
function lay(parent, kind, list) {
  while (parent.querySelectorAll("figure").length > list.length) parent.querySelector("figure:last-of-type").remove();
  list.forEach((data, number) => {
    const figure = parent.querySelectorAll("figure")[number] ?? picture(parent, kind, data);
    figure.querySelector("b").textContent = data.title;
    const [base, heat] = figure.querySelectorAll("img");
    for (const [image, source] of [[base, data.picture], [heat, data.heat]]) {
      image.hidden = !source;
      if (source && image.getAttribute("src") !== source) image.src = source;
    }
    base.alt = data.alt;
    heat.alt = "";
    const mark = figure.querySelector(".mark");
    mark.hidden = data.marked === undefined;
    mark.style.left = `${turn((data.marked ?? 0) + 180) / 3.6}%`;
    const patch = figure.querySelector(".patch");
    patch.hidden = !data.patch;
    if (data.patch) {
      const [left, top, width, height] = data.patch.map((share) => `${100 * share}%`);
      Object.assign(patch.style, { left, top, width, height });
    }
    for (const gap of figure.querySelectorAll(".missing")) gap.remove();
    for (const [left, width] of data.missing.flatMap(aroundTheEdge)) {
      Object.assign(element("span", "missing", figure.querySelector(".view")).style, {
        left: `${100 * left}%`, width: `${100 * width}%`,
      });
    }
    if (kind === "tile") {
      const bar = figure.querySelector(".metres");
      bar.textContent = `${data.bar_m} m`;
      bar.style.width = `${(100 * data.bar_m) / data.metres}%`;
    }
  });
}

const painted = (width, height, paint) => {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [width, height];
  paint(canvas.getContext("2d", { willReadFrequently: true }));
  return canvas;
};

async function pixelsOf(source) {
  const image = new Image();
  image.src = source;
  await image.decode();
  const { naturalWidth: width, naturalHeight: height } = image;
  return painted(width, height, (pen) => pen.drawImage(image, 0, 0)).getContext("2d").getImageData(0, 0, width, height);
}

// The heat of one layer and head, cut from the sheet of all; columns that are directions are laid around the middle.
function heatOf({ rows, columns, unrolled }, pixels, [layer, head]) {
  const [top, left] = [layer * rows, (head === null ? 0 : head + 1) * columns];
  const from = new Uint32Array(pixels.data.buffer);
  const [width, height] = unrolled ? [TILE_PX, TILE_PX] : [columns, rows];
  const cut = new ImageData(width, height);
  const to = new Uint32Array(cut.data.buffer);
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      let [row, column] = [y, x];
      if (unrolled) {
        const [south, west] = [y + 0.5 - height / 2, width / 2 - x - 0.5];
        row = Math.floor(rows * (1 - (2 * Math.hypot(south, west)) / height));
        column = Math.floor((turn((Math.atan2(west, south) * 180) / Math.PI) / 360) * columns) % columns;
      }
      if (row >= 0) to[y * width + x] = from[(top + row) * pixels.width + left + column];
    }
  }
  return painted(width, height, (pen) => pen.putImageData(cut, 0, 0)).toDataURL();
}

function scale(parent, data) {
  const bar = parent.querySelector(".scale") ?? element("div", "scale", parent);
  bar.replaceChildren();
  element("i", "", bar).style.background = `linear-gradient(90deg, ${data.colours.join(", ")})`;
  const ticks = element("div", "", bar);
  for (const text of data.ticks) element("span", "", ticks).textContent = text;
}

export default function ({ parentElement: root, data, setTriggerValue }) {
  const [strips, square] = [root.querySelector(".strips"), root.querySelector(".square")];
  lay(strips, "strip", data.strips);
  lay(square, "tile", data.tile ? [data.tile] : []);
  if (data.scale) scale(square, data.scale);
  root.querySelector(".hint").textContent = data.hint ?? "";

  // A click on a small map is shown at once; Python's own pictures follow and take the place of these.
  const layers = [...data.strips, ...(data.tile ? [data.tile] : [])].map(({ sheet }) => sheet);
  const decoded = new Map();  // at the first click that needs it
  const show = ({ detail }) => {
    root.querySelectorAll("figure .heat").forEach(async (heat, number) => {
      const sheet = layers[number];
      if (!sheet) return;
      if (!decoded.has(sheet)) decoded.set(sheet, pixelsOf(sheet.sprite));
      heat.src = heatOf(sheet, await decoded.get(sheet), detail);
    });
  };
  document.removeEventListener("l2ltr-head", root.show);
  root.show = show;
  document.addEventListener("l2ltr-head", show);
  const still = data.azimuth === undefined;
  root.querySelector(".sight").classList.toggle("still", still);
  const forget = () => document.removeEventListener("l2ltr-head", show);
  if (still) return forget;

  const slider = strips.querySelector(".view");
  slider.tabIndex = 0;
  slider.setAttribute("role", "slider");
  slider.setAttribute("aria-label", "Direction on the photo");
  slider.setAttribute("aria-valuemin", 0);
  slider.setAttribute("aria-valuemax", 359);

  const draw = (azimuth) => {
    for (const ray of strips.querySelectorAll(".ray")) ray.style.left = `${turn(azimuth + 180) / 3.6}%`;
    for (const ray of square.querySelectorAll(".ray")) ray.style.transform = `rotate(${azimuth}deg)`;
    const words = `${Math.round(turn(azimuth)) % 360}° ${wind(azimuth)}`;
    slider.closest("figure").querySelector("output").textContent = words;
    slider.setAttribute("aria-valuenow", Math.round(turn(azimuth)) % 360);
    slider.setAttribute("aria-valuetext", words);
  };

  let azimuth = data.azimuth;
  let settling;
  const pick = (degrees, row) => {
    azimuth = Math.round(turn(degrees)) % 360;
    draw(azimuth);
    setTriggerValue("picked", { azimuth, row });
  };
  const pointed = (view, event) => {
    const box = view.getBoundingClientRect();
    const [x, y] = [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
    if (view.closest(".tile")) return { degrees: (Math.atan2(x - 0.5, 0.5 - y) * 180) / Math.PI, down: null };
    return { degrees: 360 * x - 180, down: view === slider ? Math.min(Math.max(y, 0), 0.999) : null };
  };
  for (const view of root.querySelectorAll(".view")) {
    view.onpointermove = (event) => draw(pointed(view, event).degrees);
    view.onpointerleave = () => draw(azimuth);
    view.onclick = (event) => {
      const { degrees, down } = pointed(view, event);
      pick(degrees, down);
    };
  }
  slider.onkeydown = (event) => {
    const step = STEP_DEG[event.key];
    if (step === undefined) return;
    event.preventDefault();
    azimuth = turn(azimuth + step);
    draw(azimuth);
    clearTimeout(settling);
    settling = setTimeout(() => pick(azimuth, null), SETTLE_MS);
  };
  draw(azimuth);
  return () => {
    forget();
    clearTimeout(settling);
  };
}
