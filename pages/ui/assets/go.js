export default function ({ data }) {
  if (window.__stepiqGone === data.to) return;
  window.__stepiqGone = data.to;
  window.location.assign(data.to);
}
