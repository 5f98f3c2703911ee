// The editor of cells and of the YAML view: CodeMirror 6 as one st.components.v2 component.
//
// data:  { value, seq, language: "template" | "yaml" | "cel" | "python" | "javascript" | "sql" | "json", label,
//          placeholder, scope: [{label, detail}], issues: [{line, column, message, severity}], focus }
// state: content { text, seq }   sent when typing rests, on blur and before every command
// event: command { name, text }  run_cell | run_next | run_stale | save_version
//
// The server answers with the last `seq` it has seen. An answer older than what was typed is ignored, so a
// slow rerun never takes characters back.

import { autocompletion, closeBrackets, closeBracketsKeymap, completionKeymap } from "@codemirror/autocomplete";
import { defaultKeymap, history, historyKeymap } from "@codemirror/commands";
import { javascript } from "@codemirror/lang-javascript";
import { json } from "@codemirror/lang-json";
import { python } from "@codemirror/lang-python";
import { sql } from "@codemirror/lang-sql";
import { yaml } from "@codemirror/lang-yaml";
import { HighlightStyle, bracketMatching, foldGutter, foldKeymap, indentOnInput, syntaxHighlighting } from "@codemirror/language";
import { lintGutter, setDiagnostics } from "@codemirror/lint";
import { highlightSelectionMatches, searchKeymap } from "@codemirror/search";
import { Compartment, EditorState, Prec } from "@codemirror/state";
import {
  Decoration, EditorView, MatchDecorator, ViewPlugin, drawSelection, highlightActiveLine, highlightSpecialChars,
  keymap, lineNumbers, placeholder, tooltips,
} from "@codemirror/view";
import { tags } from "@lezer/highlight";

const REST_MS = 500;
// A condition reads like JavaScript: dots, brackets, strings, && and ||.
const LANGUAGES = { yaml, python, sql, json, javascript, cel: javascript };
const NUMBERED = ["yaml", "python", "javascript", "sql", "json"];
const editors = new WeakMap();

const colours = HighlightStyle.define([
  { tag: [tags.propertyName, tags.definition(tags.propertyName)], color: "var(--st-blue-text-color)" },
  { tag: tags.string, color: "var(--st-green-text-color)" },
  { tag: [tags.number, tags.bool, tags.null, tags.atom], color: "var(--st-violet-text-color)" },
  { tag: tags.comment, color: "var(--st-gray-text-color)", fontStyle: "italic" },
  { tag: tags.keyword, color: "var(--st-violet-text-color)" },
  { tag: [tags.operator, tags.punctuation], color: "var(--st-gray-text-color)" },
]);

const look = EditorView.theme({
  "&": { fontSize: "0.9rem", color: "var(--st-text-color)", backgroundColor: "var(--st-background-color)",
    border: "1px solid var(--st-border-color)", borderRadius: "var(--st-base-radius)" },
  "&.cm-focused": { outline: "2px solid var(--st-primary-color)", outlineOffset: "-1px" },
  ".cm-scroller": { fontFamily: "var(--st-code-font)", lineHeight: "1.55", maxHeight: "70vh", overflow: "auto" },
  ".cm-content": { padding: "0.6rem 0", caretColor: "var(--st-text-color)" },
  ".cm-line": { padding: "0 0.75rem" },
  ".cm-cursor": { borderLeftColor: "var(--st-text-color)" },
  ".cm-gutters": { backgroundColor: "var(--st-secondary-background-color)", color: "var(--st-gray-text-color)",
    border: "none", borderRight: "1px solid var(--st-border-color)" },
  ".cm-activeLine, .cm-activeLineGutter": { backgroundColor: "color-mix(in srgb, var(--st-primary-color) 6%, transparent)" },
  "&.cm-focused .cm-selectionBackground, .cm-selectionBackground": {
    backgroundColor: "color-mix(in srgb, var(--st-primary-color) 24%, transparent) !important" },
  ".cm-reference": { color: "var(--st-blue-text-color)", backgroundColor: "var(--st-blue-background-color)",
    borderRadius: "3px" },
  ".cm-placeholder": { color: "var(--st-gray-text-color)" },
  ".cm-tooltip": { backgroundColor: "var(--st-background-color)", color: "var(--st-text-color)",
    border: "1px solid var(--st-border-color)", borderRadius: "var(--st-base-radius)" },
  ".cm-tooltip-autocomplete > ul > li[aria-selected]": { backgroundColor: "var(--st-primary-color)", color: "#fff" },
  ".cm-completionDetail": { color: "inherit", opacity: "0.75", fontStyle: "normal", marginLeft: "0.75rem" },
  ".cm-panels": { backgroundColor: "var(--st-secondary-background-color)", color: "var(--st-text-color)" },
});

const references = new MatchDecorator({ regexp: /\{\{[^{}\n]*\}\}/g, decoration: Decoration.mark({ class: "cm-reference" }) });
const referenceMarks = ViewPlugin.fromClass(
  class {
    constructor(view) { this.marks = references.createDeco(view); }
    update(change) { this.marks = references.updateDeco(change, this.marks); }
  },
  { decorations: (plugin) => plugin.marks },
);

// In a template names stand between braces; in a program they stand by themselves.
function bareCompletions(editor) {
  return (context) => {
    const typed = context.matchBefore(/[\w.]+(?:\["'?[\w]*)?$/);
    if (!typed && !context.explicit) return null;
    const options = (editor.data.scope || []).map((item) => ({ label: item.label, detail: item.detail, type: "variable" }));
    return options.length ? { from: typed ? typed.from : context.pos, options, validFor: /^[\w.\[\]"']*$/ } : null;
  };
}

function completions(editor) {
  if (["cel", "python", "javascript", "sql"].includes(editor.data.language)) return bareCompletions(editor);
  return (context) => {
    const typed = context.matchBefore(/\{\{[#/]?\s*[\w.]*$/);
    if (!typed) return null;
    const from = typed.from + typed.text.match(/^\{\{[#/]?\s*/)[0].length;
    return {
      from,
      validFor: /^[\w.]*$/,
      options: (editor.data.scope || []).map((item) => ({
        label: item.label,
        detail: item.detail,
        type: "variable",
        apply: (view, _completion, start, end) => {
          const closed = view.state.sliceDoc(end, end + 2) === "}}";
          const text = item.label + (closed ? "" : "}}");
          view.dispatch({ changes: { from: start, to: end, insert: text }, selection: { anchor: start + item.label.length + 2 } });
        },
      })),
    };
  };
}

function diagnosticsOf(state, issues) {
  return (issues || []).filter((issue) => issue.line).map((issue) => {
    const line = state.doc.line(Math.min(Math.max(issue.line, 1), state.doc.lines));
    const from = Math.min(line.from + Math.max((issue.column || 1) - 1, 0), line.to);
    return { from, to: Math.max(line.to, from), severity: issue.severity || "error", message: issue.message };
  });
}

class Editor {
  constructor(parent, component) {
    this.component = component;
    this.data = component.data || {};
    this.seq = this.data.seq || 0;
    this.pending = false;
    this.timer = null;
    this.described = new Compartment();
    const language = LANGUAGES[this.data.language];
    const numbered = NUMBERED.includes(this.data.language);
    const host = document.createElement("div");
    parent.appendChild(host);
    const run = (name) => ({ run: () => this.command(name), preventDefault: true });
    this.view = new EditorView({
      parent: host,
      root: parent instanceof ShadowRoot ? parent : document,
      state: EditorState.create({
        doc: this.data.value || "",
        extensions: [
          Prec.highest(keymap.of([
            { key: "Mod-Enter", ...run("run_cell") },
            { key: "Shift-Enter", ...run("run_next") },
            { key: "Mod-Shift-Enter", ...run("run_stale") },
            { key: "Mod-s", ...run("save_version") },
          ])),
          numbered ? [lineNumbers(), highlightActiveLine(), indentOnInput()] : EditorView.lineWrapping,
          this.data.language === "yaml" ? [foldGutter(), lintGutter()] : [],
          language ? language() : [],
          syntaxHighlighting(colours), referenceMarks, highlightSpecialChars(), history(), drawSelection(),
          bracketMatching(), closeBrackets(), highlightSelectionMatches(),
          autocompletion({ override: [completions(this)], icons: false }),
          // Fixed tooltips would be clipped by the page's scrolling column.
          tooltips({ position: "absolute" }),
          keymap.of([...closeBracketsKeymap, ...completionKeymap, ...searchKeymap, ...historyKeymap, ...foldKeymap, ...defaultKeymap]),
          // Out of the text and back to the page's own keys (J, K, ?), once nothing else wants Escape.
          Prec.lowest(keymap.of([{ key: "Escape", run: (view) => { view.contentDOM.blur(); return true; } }])),
          look,
          this.described.of(this.description()),
          EditorView.updateListener.of((update) => { if (update.docChanged && !this.replacing) this.typed(); }),
          EditorView.domEventHandlers({ blur: () => { this.flush(); return false; } }),
        ],
      }),
    });
    this.showIssues();
    if (this.data.focus) this.view.focus();
  }

  description() {
    return [
      EditorView.contentAttributes.of({ "aria-label": this.data.label || "Editor" }),
      this.data.placeholder ? placeholder(this.data.placeholder) : [],
    ];
  }

  text() { return this.view.state.doc.toString(); }

  typed() {
    this.pending = true;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.flush(), REST_MS);
  }

  flush() {
    clearTimeout(this.timer);
    if (!this.pending) return;
    this.pending = false;
    this.seq += 1;
    this.component.setStateValue("content", { text: this.text(), seq: this.seq });
  }

  command(name) {
    // The text travels with the command: what runs is what is on the screen.
    clearTimeout(this.timer);
    this.pending = false;
    this.seq += 1;
    this.component.setTriggerValue("command", { name, text: this.text(), seq: this.seq });
    return true;
  }

  update(component) {
    const before = this.data;
    this.component = component;
    this.data = component.data || {};
    const answersThis = (this.data.seq || 0) >= this.seq;
    if (!this.pending && answersThis && this.data.value !== this.text()) {
      this.replacing = true;
      this.view.dispatch({ changes: { from: 0, to: this.view.state.doc.length, insert: this.data.value || "" } });
      this.replacing = false;
    }
    if (before.label !== this.data.label || before.placeholder !== this.data.placeholder) {
      this.view.dispatch({ effects: this.described.reconfigure(this.description()) });
    }
    if (!this.pending) this.showIssues();
  }

  showIssues() {
    this.view.dispatch(setDiagnostics(this.view.state, diagnosticsOf(this.view.state, this.data.issues)));
  }

  close() {
    this.flush();
    this.view.destroy();
  }
}

export default function render(component) {
  const parent = component.parentElement;
  const known = editors.get(parent);
  if (known) known.update(component);
  else editors.set(parent, new Editor(parent, component));
  return () => {
    const editor = editors.get(parent);
    editors.delete(parent);
    if (editor) editor.close();
  };
}
