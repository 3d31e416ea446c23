import { autocompletion, closeBrackets, closeBracketsKeymap, completionKeymap } from "@codemirror/autocomplete";
import { defaultKeymap, history, historyKeymap } from "@codemirror/commands";
import { bracketMatching, HighlightStyle, syntaxHighlighting } from "@codemirror/language";
import { lintKeymap } from "@codemirror/lint";
import { EditorState, Prec } from "@codemirror/state";
import { EditorView, keymap, placeholder } from "@codemirror/view";
import { tags } from "@lezer/highlight";
import { PromQLExtension } from "@prometheus-io/codemirror-promql";
import { useEffect, useRef } from "react";

interface Props {
  label: string;
  value: string;
  onSubmit(value: string): void;
}

const colors = HighlightStyle.define([
  { tag: tags.keyword, color: "light-dark(#8d3ab5, #c792ea)" },
  { tag: tags.operatorKeyword, color: "light-dark(#8d3ab5, #c792ea)" },
  { tag: tags.function(tags.variableName), color: "light-dark(#176c8d, #6cc0e0)" },
  { tag: tags.labelName, color: "light-dark(#8f6400, #e0b24a)" },
  { tag: tags.string, color: "light-dark(#1f7a4d, #7fcf9f)" },
  { tag: tags.number, color: "light-dark(#a34b12, #f0a470)" },
  { tag: tags.invalid, color: "var(--bad)" },
  { tag: tags.comment, color: "var(--ink-soft)" },
]);

/** Editor edits one PromQL expression, with completion of what exists. Enter, or leaving it, asks. */
export default function Editor({ label, value, onSubmit }: Props) {
  const host = useRef<HTMLDivElement>(null);
  const view = useRef<EditorView | undefined>(undefined);
  const latest = useRef({ value, onSubmit });
  latest.current = { value, onSubmit };
  useEffect(() => {
    const at = host.current;
    if (!at) return;
    const promql = new PromQLExtension().setComplete({ remote: { url: "", httpMethod: "GET", httpErrorHandler: () => {} } });
    const submit = (v: EditorView) => {
      const text = v.state.doc.toString().trim();
      if (text !== latest.current.value) latest.current.onSubmit(text);
      return true;
    };
    view.current = new EditorView({
      parent: at,
      state: EditorState.create({
        doc: latest.current.value,
        extensions: [
          history(), bracketMatching(), closeBrackets(), autocompletion(), promql.asExtension(), syntaxHighlighting(colors), EditorView.lineWrapping, placeholder("PromQL"),
          EditorView.contentAttributes.of({ "aria-label": label, spellcheck: "false" }),
          EditorView.domEventHandlers({ blur: (_, v) => void submit(v) }),
          // Enter chooses a completion when one is marked, and asks otherwise.
          Prec.high(keymap.of(completionKeymap)),
          keymap.of([{ key: "Enter", run: submit }, { key: "Escape", run: (v) => (v.contentDOM.blur(), true) }, ...closeBracketsKeymap, ...defaultKeymap, ...historyKeymap, ...lintKeymap]),
        ],
      }),
    });
    return () => {
      view.current?.destroy();
      promql.destroy();
    };
  }, [label]);
  useEffect(() => {
    const v = view.current;
    if (v && v.state.doc.toString() !== value) v.dispatch({ changes: { from: 0, to: v.state.doc.length, insert: value } });
  }, [value]);
  return <div ref={host} className="editor" />;
}
