// A photo from within: where its pixels lie on the sphere is known, so any part of it can be seen as an ordinary
// camera would show it. It turns slowly until somebody takes hold of it.
const WINDS = ["N", "NE", "E", "SE", "S", "SW", "W", "NW"];
const DRIFT_DEG = 3; // a second
const [NARROWEST_DEG, WIDEST_DEG, STEEPEST_DEG] = [25, 110, 85];
const KEYS = {
  ArrowLeft: { yaw: -5 }, ArrowRight: { yaw: 5 }, ArrowUp: { pitch: 5 }, ArrowDown: { pitch: -5 },
  "+": { field: -8 }, "=": { field: -8 }, "-": { field: 8 },
};
const VERTEX = `#version 300 es
in vec2 corner;
void main() { gl_Position = vec4(corner, 0, 1); }`;
const FRAGMENT = `#version 300 es
precision highp float;
uniform vec2 size;
uniform vec3 look;  // yaw, pitch, horizontal field of the view, radians
uniform vec4 part;  // of the sphere that the photo shows: azimuth of its middle, field, top, bottom, radians
uniform sampler2D photo;
out vec4 colour;
const float TURN = 6.28318530718;
void main() {
  vec2 at = (2.0 * gl_FragCoord.xy - size) / size.x * tan(look.z / 2.0);
  vec3 ray = normalize(vec3(at, 1));
  ray.yz = mat2(cos(look.y), -sin(look.y), sin(look.y), cos(look.y)) * ray.yz;
  float aside = look.x + atan(ray.x, ray.z) - part.x;
  aside -= TURN * floor(aside / TURN + 0.5);
  vec2 spot = vec2(aside / part.y + 0.5, (part.z - asin(ray.y)) / (part.z - part.w));
  bool seen = all(greaterThanEqual(spot, vec2(0))) && all(lessThanEqual(spot, vec2(1)));
  colour = seen ? textureLod(photo, spot, 0.0) : vec4(0.063, 0.075, 0.102, 1);
}`;

const radians = (degrees) => (degrees * Math.PI) / 180;
const turn = (degrees) => ((degrees % 360) + 360) % 360;
const clamp = (value, low, high) => Math.min(high, Math.max(low, value));

function compiled(gl) {
  const program = gl.createProgram();
  for (const [kind, source] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]]) {
    const shader = gl.createShader(kind);
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    gl.attachShader(program, shader);
  }
  gl.linkProgram(program);
  return gl.getProgramParameter(program, gl.LINK_STATUS) ? program : null;
}

// Draws the photo on the canvas; null where the browser cannot.
function painter(canvas, image, data) {
  const gl = canvas.getContext("webgl2");
  const program = gl && compiled(gl);
  if (!program) return null;
  gl.useProgram(program);
  gl.bindBuffer(gl.ARRAY_BUFFER, gl.createBuffer());
  gl.bufferData(gl.ARRAY_BUFFER, new Float32Array([-1, -1, 3, -1, -1, 3]), gl.STATIC_DRAW);
  const corner = gl.getAttribLocation(program, "corner");
  gl.enableVertexAttribArray(corner);
  gl.vertexAttribPointer(corner, 2, gl.FLOAT, false, 0, 0);
  gl.bindTexture(gl.TEXTURE_2D, gl.createTexture());
  gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, gl.RGBA, gl.UNSIGNED_BYTE, image);
  gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.LINEAR);
  gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_WRAP_S, data.field < 360 ? gl.CLAMP_TO_EDGE : gl.REPEAT);
  gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_WRAP_T, gl.CLAMP_TO_EDGE);
  const [size, look, part] = ["size", "look", "part"].map((name) => gl.getUniformLocation(program, name));
  gl.uniform4f(part, ...[data.heading, data.field, data.top, data.bottom].map(radians));
  return (eye, box) => {
    const scale = window.devicePixelRatio || 1;
    const [width, height] = [Math.round(box.width * scale), Math.round(box.height * scale)];
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    gl.viewport(0, 0, width, height);
    gl.uniform2f(size, width, height);
    gl.uniform3f(look, radians(eye.yaw), radians(eye.pitch), radians(eye.field));
    gl.drawArrays(gl.TRIANGLES, 0, 3);
  };
}

// Without WebGL: the unrolled photo, moved to and fro.
function mover(view, canvas, image, data) {
  canvas.hidden = true;
  view.style.backgroundImage = `url(${image.src})`;
  view.style.backgroundRepeat = data.field < 360 ? "no-repeat" : "repeat-x";
  return (eye, box) => {
    const width = (box.width * data.field) / eye.field;
    const height = (width * image.naturalHeight) / image.naturalWidth;
    const aside = ((turn(eye.yaw - data.heading + 180) - 180) / data.field + 0.5) * width;
    const down = ((data.top - eye.pitch) / (data.top - data.bottom)) * height;
    view.style.backgroundSize = `${width}px ${height}px`;
    view.style.backgroundPosition = `${box.width / 2 - aside}px ${box.height / 2 - down}px`;
  };
}

export default function ({ parentElement: root, data }) {
  const [view, output] = [root.querySelector(".view"), root.querySelector("output")];
  const canvas = document.createElement("canvas"); // a lost one would stay lost
  view.replaceChildren(canvas);
  for (const words of ["hint", "note"]) root.querySelector(`.${words}`).textContent = data[words];
  if (data.bring && root.shown && root.shown !== data.picture) view.scrollIntoView({ block: "nearest" });
  root.shown = data.picture;
  const start = { yaw: data.heading, pitch: 0, field: 90 };
  const eye = { ...start };
  const held = new Map(); // pointers that are down, and where: one turns, two zoom
  let [draw, frame, before] = [null, 0, null];
  let drifting = !window.matchMedia("(prefers-reduced-motion: reduce)").matches;

  function show() {
    const box = view.getBoundingClientRect();
    if (draw && box.width) draw(eye, box);
    const degrees = Math.round(turn(eye.yaw)) % 360;
    output.textContent = `looking ${degrees}° ${WINDS[Math.round(degrees / 45) % 8]}, ${Math.round(eye.field)}° wide`;
    view.setAttribute("aria-label", `${data.alt}, ${output.textContent}`);
  }
  function move({ yaw = 0, pitch = 0, field = 0 }) {
    drifting = false;
    eye.yaw = turn(eye.yaw + yaw);
    eye.pitch = clamp(eye.pitch + pitch, -STEEPEST_DEG, STEEPEST_DEG);
    eye.field = clamp(eye.field + field, NARROWEST_DEG, WIDEST_DEG);
    show();
  }
  function drift(now) {
    if (!drifting) return;
    eye.yaw = turn(eye.yaw + (DRIFT_DEG * Math.min(now - (before ?? now), 100)) / 1000);
    before = now;
    show();
    frame = requestAnimationFrame(drift);
  }

  view.onpointerdown = (event) => {
    view.setPointerCapture(event.pointerId);
    held.set(event.pointerId, [event.clientX, event.clientY]);
    drifting = false;
  };
  view.onpointermove = (event) => {
    const [before, here] = [held.get(event.pointerId), [event.clientX, event.clientY]];
    if (!before) return;
    held.set(event.pointerId, here);
    if (held.size === 1) {
      const perPixel = eye.field / view.clientWidth;
      move({ yaw: (before[0] - here[0]) * perPixel, pitch: (here[1] - before[1]) * perPixel });
      return;
    }
    const other = [...held].find(([pointer]) => pointer !== event.pointerId)[1];
    const [was, is] = [before, here].map((at) => Math.hypot(at[0] - other[0], at[1] - other[1]));
    if (is > 0) move({ field: eye.field * (was / is - 1) });
  };
  view.onpointerup = view.onpointercancel = (event) => held.delete(event.pointerId);
  const zoom = (event) => {
    event.preventDefault();
    move({ field: clamp(event.deltaY, -60, 60) / 6 });
  };
  view.addEventListener("wheel", zoom, { passive: false });
  view.onkeydown = (event) => {
    if (event.key === "Home") Object.assign(eye, start);
    else if (!KEYS[event.key]) return;
    event.preventDefault();
    move(KEYS[event.key] ?? {});
  };

  const image = new Image();
  image.onload = () => {
    draw = painter(canvas, image, data) ?? mover(view, canvas, image, data);
    show();
    if (drifting) frame = requestAnimationFrame(drift);
  };
  image.src = data.picture;
  const resized = new ResizeObserver(show);
  resized.observe(view);
  show();
  return () => {
    drifting = false;
    cancelAnimationFrame(frame);
    resized.disconnect();
    view.removeEventListener("wheel", zoom);
    canvas.getContext("webgl2")?.getExtension("WEBGL_lose_context")?.loseContext();
  };
}
