export default function ({ data, parentElement }) {
  const host = parentElement.querySelector(".dag");
  if (host.dataset.svg === data.svg) return;
  host.dataset.svg = data.svg;
  host.innerHTML = data.svg;
  // A graph wider than the page opens at its middle, where it begins.
  host.scrollLeft = (host.scrollWidth - host.clientWidth) / 2;
}
