// What happens to the score when a range of azimuth is hidden, below the photo that it is hidden in, and how much
// attention goes there.
const UPPER = 0.58; // of the height, for the score; the rest is attention's
const LOWER = 0.34;
const WINDS = ["S", "SW", "W", "NW", "N", "NE", "E", "SE", "S"];

const percent = (share) => `${100 * share}%`;

function column(data, number) {
  const [fall, share] = [data.falls[number], data.shares[number]];
  const [top, bottom] = [Math.max(...data.falls, 0), Math.min(...data.falls, 0)];
  const span = top - bottom || 1;
  const zero = (UPPER * top) / span;
  const button = document.createElement("button");
  button.type = "button";
  button.setAttribute("aria-label", data.words[number]);
  button.style.setProperty("--zero", percent(zero));
  button.style.setProperty("--even", percent((LOWER / data.shares.length) / Math.max(...data.shares)));
  const up = document.createElement("i");
  up.className = "fall";
  const height = (UPPER * Math.abs(fall)) / span;
  Object.assign(up.style, { top: percent(fall > 0 ? zero - height : zero), height: percent(height) });
  const below = document.createElement("i");
  below.className = "share";
  below.style.height = percent((LOWER * share) / Math.max(...data.shares));
  button.append(up, below);
  return button;
}

export default function ({ parentElement: root, data }) {
  const [image, mask, output] = ["img", ".mask", "output"].map((part) => root.querySelector(part));
  root.querySelector("b").textContent = data.title;
  root.querySelector(".falls").textContent = data.falls_name;
  root.querySelector(".shares").textContent = data.shares_name;
  image.alt = data.alt;
  if (image.getAttribute("src") !== data.picture) image.src = data.picture;
  root.querySelector(".compass").replaceChildren(
    ...WINDS.map((wind, eighth) => {
      const mark = document.createElement("span");
      mark.textContent = wind;
      mark.style.left = percent(eighth / 8);
      return mark;
    }),
  );
  const count = data.falls.length;
  const hide = (number) => {
    mask.hidden = number === null;
    output.textContent = number === null ? data.offer : data.words[number];
    if (number !== null) Object.assign(mask.style, { left: percent(number / count), width: percent(1 / count) });
  };
  const bars = root.querySelector(".bars");
  bars.setAttribute("aria-label", data.title);
  bars.replaceChildren(...data.falls.map((_, number) => column(data, number)));
  bars.querySelectorAll("button").forEach((button, number) => {
    button.onpointerenter = button.onfocus = button.onclick = () => hide(number);
  });
  const view = root.querySelector(".view");
  view.onpointermove = (event) => {
    const box = view.getBoundingClientRect();
    hide(Math.min(count - 1, Math.max(0, Math.floor((count * (event.clientX - box.left)) / box.width))));
  };
  bars.onpointerleave = view.onpointerleave = () => hide(null);
  hide(null);
}
