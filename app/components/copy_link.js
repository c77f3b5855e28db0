// A button that puts the page's address into the clipboard, also where the clipboard's own interface is closed
// (a page that is not served over https).
export default function ({ parentElement, data }) {
  const button = parentElement.querySelector("button");
  const [offer, done] = [button.querySelector(".offer"), button.querySelector(".done")];
  offer.textContent = data.label;
  button.title = data.note;
  let timer;

  async function copy() {
    const address = window.location.href;
    try {
      await navigator.clipboard.writeText(address);
    } catch {
      const field = document.createElement("textarea");
      field.value = address;
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
