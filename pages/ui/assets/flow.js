export default function ({ data, parentElement }) {
  const host = parentElement.querySelector(".flow");
  if (host.dataset.svg === data.svg) return;
  host.dataset.svg = data.svg;
  host.innerHTML = data.svg;
}
