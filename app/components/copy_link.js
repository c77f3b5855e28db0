// A button that puts the page's address, after some words, into the clipboard, also where the clipboard's own
// interface is closed (a page that is not served over https).
export default function ({ parentElement, data }) {
  const button = parentElement.querySelector("button");
  const [offer, done] = [button.querySelector(".offer"), button.querySelector(".done")];
  offer.textContent = data.label;
  button.title = data.note;
  let timer;

  async function copy() {
    const text = `${data.words} ${window.location.href}`.trim();
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      const field = document.createElement("textarea");
      field.value = text;
      document.body.append(field);
      field.select();
      document.execCommand("copy");
      field.remove();
      button.focus();
    }
    button.classList.add("copied");
    done.textContent = "Copied";
    clearTimeout(timer);
    timer = setTimeout(() => {
      button.classList.remove("copied");
      done.textContent = "";
    }, 1800);
  }

  button.addEventListener("click", copy);
  return () => {
    clearTimeout(timer);
    button.removeEventListener("click", copy);
  };
}
