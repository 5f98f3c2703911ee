export default function ({ data }) {
  if (window.__stepiqLeaving) return;
  window.__stepiqLeaving = true;
  const here = window.location.pathname + window.location.search;
  window.location.assign(data.to + "?next=" + encodeURIComponent(here));
}
