const served = new WeakMap();
export default function ({ data, parentElement, setTriggerValue }) {
  const button = parentElement.querySelector("button");
  button.querySelector("span").textContent = data.label;
  button.onclick = () => setTriggerValue("wanted", true);
  if (data.content === null || served.get(parentElement) === data.turn) return;
  served.set(parentElement, data.turn);
  const link = document.createElement("a");
  const body = data.encoded ? Uint8Array.from(atob(data.content), (sign) => sign.charCodeAt(0)) : data.content;
  link.href = URL.createObjectURL(new Blob([body], { type: data.mime }));
  link.download = data.name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}
