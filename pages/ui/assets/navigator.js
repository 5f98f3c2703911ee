const KEY = "__stepiqNavigator";
function typing(event) {
  return event.composedPath().some((node) => node.matches &&
    node.matches("input, textarea, select, [contenteditable=true], [role=textbox], [role=combobox], dialog, [role=dialog]"));
}
function commandOf(event) {
  const mod = event.metaKey || event.ctrlKey;
  if (event.key === "Enter" && mod && event.shiftKey) return "run_stale";
  if (event.key === "Enter" && mod) return "run_cell";
  if (mod && !event.shiftKey && !event.altKey && event.key.toLowerCase() === "s") return "save_version";
  if (mod || event.altKey || typing(event)) return null;
  if (event.key === "Enter" && event.shiftKey) return "run_next";
  if (event.shiftKey && event.key !== "?") return null;
  return { j: "next", k: "previous", "?": "help" }[event.key] || null;
}
// Dialogs and menus are drawn beside the app's own element, so the scheme the app chose is set on the whole page.
function followScheme(state) {
  const app = document.querySelector(".stApp");
  if (!app || state.followed === app) return;
  state.followed = app;
  const follow = () => {
    const scheme = getComputedStyle(app).colorScheme;
    if (document.documentElement.style.colorScheme !== scheme) document.documentElement.style.colorScheme = scheme;
  };
  follow();
  new MutationObserver(follow).observe(app, { attributes: true, attributeFilter: ["class"] });
}
// The list of pages is longer than many screens: the page that is open is brought into view in it, once.
function showInList(state) {
  const link = document.querySelector('[data-testid="stSidebarNav"] a[aria-current="page"]');
  const list = link && link.closest('[data-testid="stSidebarContent"]');
  if (!list || state.inList === link.pathname) return;
  state.inList = link.pathname;
  const { top, bottom } = link.getBoundingClientRect(), seen = list.getBoundingClientRect();
  if (top < seen.top || bottom > seen.bottom) list.scrollTop += (top + bottom - seen.top - seen.bottom) / 2;
}
export default function ({ data, setTriggerValue }) {
  const state = (window[KEY] = window[KEY] || {});
  state.send = (value) => setTriggerValue("event", value);
  state.data = data;
  followScheme(state);
  setTimeout(() => showInList(state), 120);
  if (!state.listening) {
    state.listening = true;
    document.addEventListener("keydown", (event) => {
      if (event.defaultPrevented || event.isComposing || event.repeat) return;
      const name = commandOf(event);
      if (!name || !state.data.commands.includes(name)) return;
      event.preventDefault();
      // A field hands over what was typed when it loses the focus: what runs is what is on the screen.
      if (typing(event) && document.activeElement) document.activeElement.blur();
      setTimeout(() => state.send({ command: name }), 0);
    });
    document.addEventListener("click", (event) => {
      if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
      const link = event.composedPath().find((node) => node.tagName && node.tagName.toLowerCase() === "a");
      const href = link && link.getAttribute("href");
      if (!href || !href.startsWith(state.data.base)) return;
      if (link.closest && link.closest('[data-testid="stSidebarNav"], [data-testid="stPageLink"]')) return;
      event.preventDefault();
      state.send({ href });
    });
  }
  if (data.scroll && state.scrolled !== data.scroll) {
    state.scrolled = data.scroll;
    setTimeout(() => {
      const cell = document.querySelector(".st-key-" + CSS.escape(data.scroll.split("#")[0]));
      if (cell) cell.scrollIntoView({ block: "nearest", behavior: "smooth" });
    }, 120);
  }
}
