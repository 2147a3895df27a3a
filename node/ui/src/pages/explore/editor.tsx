// The query editor: CodeMirror with PromQL, which completes metrics, labels, values and functions from the node.

import { autocompletion, closeBrackets, closeBracketsKeymap, completionKeymap } from '@codemirror/autocomplete';
import { defaultKeymap, history, historyKeymap } from '@codemirror/commands';
import { bracketMatching, HighlightStyle, syntaxHighlighting } from '@codemirror/language';
import { lintKeymap } from '@codemirror/lint';
import { EditorState, Prec } from '@codemirror/state';
import { EditorView, keymap, placeholder } from '@codemirror/view';
import { tags } from '@lezer/highlight';
import { PromQLExtension } from '@prometheus-io/codemirror-promql';
import { useEffect, useRef } from 'preact/hooks';
import { headers } from '../../api/client';

const colors = HighlightStyle.define([
    { tag: tags.function(tags.variableName), color: 'var(--syntax-function)' },
    { tag: [tags.keyword, tags.modifier], color: 'var(--syntax-word)' },
    { tag: tags.string, color: 'var(--syntax-string)' },
    { tag: tags.number, color: 'var(--syntax-number)' },
    { tag: tags.labelName, color: 'var(--syntax-label)' },
    { tag: tags.invalid, color: 'var(--bad)' },
    { tag: tags.comment, color: 'var(--faint)' },
]);

const look = EditorView.theme({
    '&': { backgroundColor: 'transparent', color: 'var(--text)', fontSize: '13px' },
    '&.cm-focused': { outline: 'none' },
    '.cm-content': { fontFamily: 'var(--mono)', padding: '7px 0', caretColor: 'var(--text)' },
    '.cm-line': { padding: '0 10px' },
    '.cm-cursor': { borderLeftColor: 'var(--text)' },
    '.cm-tooltip': { backgroundColor: 'var(--surface)', border: '1px solid var(--line-strong)', borderRadius: '6px', boxShadow: 'var(--shadow)', color: 'var(--text)' },
    '.cm-tooltip-autocomplete ul li': { fontFamily: 'var(--mono)', fontSize: '12px', padding: '2px 8px !important' },
    '.cm-tooltip-autocomplete ul li[aria-selected]': { backgroundColor: 'var(--accent-soft)', color: 'var(--text)' },
    '.cm-completionDetail': { color: 'var(--faint)', fontStyle: 'normal', marginLeft: '12px' },
    '.cm-completionMatchedText': { textDecoration: 'none', color: 'var(--accent)', fontWeight: '600' },
    '.cm-completionInfo': { padding: '6px 10px', maxWidth: '360px' },
    '.cm-placeholder': { color: 'var(--faint)' },
    '.cm-matchingBracket': { backgroundColor: 'var(--accent-soft) !important', outline: 'none' },
    '.cm-selectionBackground': { backgroundColor: 'var(--accent-soft) !important' },
});

/** The style sheets that CodeMirror makes carry the nonce of the page's policy. */
const nonce = document.querySelector<HTMLMetaElement>('meta[name="csp-nonce"]')?.content ?? '';

/** Calls of the completion, with the token. */
const fetching: typeof fetch = (input, init) => fetch(input, { ...init, headers: { ...(init?.headers as Record<string, string>), ...headers() } });

export function Editor({ value, onRun, onText }: { value: string; onRun: (text: string) => void; onText: (text: string) => void }) {
    const root = useRef<HTMLDivElement>(null);
    const view = useRef<EditorView | undefined>(undefined);
    const calls = useRef({ onRun, onText });
    calls.current = { onRun, onText };
    useEffect(() => {
        if (!root.current) return;
        const promql = new PromQLExtension().setComplete({ remote: { url: '', fetchFn: fetching, cache: { initialMetricList: [] } }, maxMetricsMetadata: 5000 });
        const run = (v: EditorView) => {
            calls.current.onRun(v.state.doc.toString());
            return true;
        };
        const made = new EditorView({
            parent: root.current,
            state: EditorState.create({
                doc: value,
                extensions: [
                    EditorView.cspNonce.of(nonce),
                    Prec.highest(keymap.of([{ key: 'Mod-Enter', run }, { key: 'Enter', run: (v) => (document.querySelector('.cm-tooltip-autocomplete') ? false : run(v)) }])),
                    history(),
                    bracketMatching(),
                    closeBrackets(),
                    autocompletion({ icons: false }),
                    promql.asExtension(),
                    syntaxHighlighting(colors),
                    look,
                    EditorView.lineWrapping,
                    placeholder('PromQL, for example: sum by (loop_type) (rate(llm_tokens_total[5m]))'),
                    EditorView.contentAttributes.of({ 'aria-label': 'PromQL query' }),
                    keymap.of([...closeBracketsKeymap, ...defaultKeymap, ...historyKeymap, ...completionKeymap, ...lintKeymap]),
                    EditorView.updateListener.of((u) => {
                        if (u.docChanged) calls.current.onText(u.state.doc.toString());
                    }),
                ],
            }),
        });
        view.current = made;
        return () => made.destroy();
    }, []);
    useEffect(() => {
        const at = view.current;
        if (at && at.state.doc.toString() !== value) at.dispatch({ changes: { from: 0, to: at.state.doc.length, insert: value } });
    }, [value]);
    return <div class="editor" data-search ref={root} />;
}
