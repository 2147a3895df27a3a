// Small parts that every page uses. All text goes through the framework as text: labels are written by strangers.

import type { ComponentChildren } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import type { ApiError } from '../api/client';
import type { Labels } from '../data/frame';
import { Icon } from './icons';

export function Empty({ title, children, run }: { title: string; children?: ComponentChildren; run?: string }) {
    return (
        <div class="empty">
            <h3>{title}</h3>
            {children && <p>{children}</p>}
            {run && <pre>{run}</pre>}
        </div>
    );
}

export function Problem({ error }: { error: ApiError | undefined }) {
    if (!error || error.status === 401) return null;
    return <div class="notice bad" role="alert">{error.message}</div>;
}

/** What stands where an answer is waited for, or did not come. */
export function Pending({ waiting, error }: { waiting: boolean; error: ApiError | undefined }) {
    if (error) return <Problem error={error} />;
    return waiting ? <p class="faint" aria-busy="true">Loading…</p> : null;
}

export function LabelSet({ labels, skip = [] }: { labels: Labels; skip?: string[] }) {
    const shown = Object.entries(labels).filter(([name]) => !skip.includes(name));
    return (
        <span class="labels">
            {shown.map(([name, value]) => <span class="label" key={name}>{name}=<b>{value}</b></span>)}
        </span>
    );
}

export function Tag({ kind = '', children }: { kind?: string; children: ComponentChildren }) {
    return <span class={`tag ${kind}`}>{children}</span>;
}

export function Card({ title, tools, children }: { title?: ComponentChildren; tools?: ComponentChildren; children: ComponentChildren }) {
    return (
        <section class="card">
            {title && <header><h2 class="grow clip">{title}</h2>{tools}</header>}
            {children}
        </section>
    );
}

/** A button that opens something below it; a click elsewhere or Escape closes it. */
export function Popover({ button, title, children, kind = '' }: { button: ComponentChildren; title: string; kind?: string; children: (close: () => void) => ComponentChildren }) {
    const [open, setOpen] = useState(false);
    const root = useRef<HTMLDivElement>(null);
    useEffect(() => {
        if (!open) return;
        const away = (e: Event) => {
            if (!root.current?.contains(e.target as Node)) setOpen(false);
        };
        const key = (e: KeyboardEvent) => {
            if (e.key === 'Escape') setOpen(false);
        };
        addEventListener('pointerdown', away);
        addEventListener('keydown', key);
        return () => {
            removeEventListener('pointerdown', away);
            removeEventListener('keydown', key);
        };
    }, [open]);
    return (
        <div class="anchor" ref={root}>
            <button type="button" class={`btn ${kind}`} aria-expanded={open} title={title} aria-label={title} onClick={() => setOpen(!open)}>{button}</button>
            {open && <div class="pop">{children(() => setOpen(false))}</div>}
        </div>
    );
}

export function Dialog({ title, close, children }: { title: string; close: () => void; children: ComponentChildren }) {
    const root = useRef<HTMLDivElement>(null);
    useEffect(() => {
        const before = document.activeElement as HTMLElement | null;
        root.current?.querySelector<HTMLElement>('input, textarea, select, button')?.focus();
        const key = (e: KeyboardEvent) => {
            if (e.key === 'Escape') close();
        };
        addEventListener('keydown', key);
        return () => {
            removeEventListener('keydown', key);
            before?.focus();
        };
    }, []);
    return (
        <div class="dialog-back" onPointerDown={(e) => e.target === e.currentTarget && close()}>
            <div class="dialog" role="dialog" aria-modal="true" aria-label={title} ref={root}>
                <header class="row"><span class="grow">{title}</span><button type="button" class="btn icon plain" aria-label="Close" onClick={close}><Icon name="close" /></button></header>
                <div class="body">{children}</div>
            </div>
        </div>
    );
}

/** Copies `text`, and says so for a moment. */
export function CopyButton({ text, label }: { text: () => string; label: string }) {
    const [done, setDone] = useState(false);
    useEffect(() => {
        if (!done) return;
        const timer = setTimeout(() => setDone(false), 1500);
        return () => clearTimeout(timer);
    }, [done]);
    const copy = () => void navigator.clipboard?.writeText(text()).then(() => setDone(true));
    return <button type="button" class="btn" onClick={copy}><Icon name="share" />{done ? 'Copied' : label}</button>;
}

export interface ColumnOf<T> {
    title: string;
    cell: (row: T) => ComponentChildren;
    /** What the column is sorted by; without it, it is not. */
    by?: (row: T) => number | string;
    right?: boolean;
    tight?: boolean;
}

/** A table that sorts by a click on a title. */
export function Table<T>({ rows, columns, keyOf, first, down = true, most = 500 }: { rows: T[]; columns: ColumnOf<T>[]; keyOf: (row: T) => string; first?: string; down?: boolean; most?: number }) {
    const [sort, setSort] = useState<{ title: string | undefined; down: boolean }>({ title: first, down });
    const by = columns.find((c) => c.title === sort.title)?.by;
    const sorted = by ? [...rows].sort((a, b) => (sort.down ? -1 : 1) * compare(by(a), by(b))) : rows;
    const side = (c: ColumnOf<T>) => `${c.right ? 'right' : ''} ${c.tight ? 'tight' : ''}`;
    const turn = (title: string) => setSort({ title, down: sort.title === title ? !sort.down : true });
    return (
        <div class="scroll">
            <table>
                <thead>
                    <tr>
                        {columns.map((c) => (
                            <th key={c.title} class={side(c)} aria-sort={sort.title === c.title ? (sort.down ? 'descending' : 'ascending') : undefined}>
                                {c.by ? <button type="button" onClick={() => turn(c.title)}>{c.title}{sort.title === c.title ? (sort.down ? ' ↓' : ' ↑') : ''}</button> : c.title}
                            </th>
                        ))}
                    </tr>
                </thead>
                <tbody>
                    {sorted.slice(0, most).map((row) => <tr key={keyOf(row)}>{columns.map((c) => <td key={c.title} class={side(c)}>{c.cell(row)}</td>)}</tr>)}
                </tbody>
            </table>
            {rows.length > most && <p class="faint" style={{ padding: '6px 10px' }}>The first {most} of {rows.length} rows.</p>}
        </div>
    );
}

function compare(a: number | string, b: number | string): number {
    return typeof a === 'number' && typeof b === 'number' ? a - b : String(a).localeCompare(String(b), undefined, { numeric: true });
}
