const served = new WeakMap();
export default function ({ data, parentElement, setTriggerValue }) {
  const button = parentElement.querySelector("button");
  button.querySelector("span").textContent = data.label;
  button.onclick = () => setTriggerValue("wanted", true);
  if (data.content === null || served.get(parentElement) === data.turn) return;
  served.set(parentElement, data.turn);
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([data.content], { type: data.mime }));
  link.download = data.name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}
