// Reports over a period: loops, tokens, tools, errors.

import { get } from '../api/client';
import { useCall } from '../api/use';
import { flat, type Item, unitOf } from '../data/report';
import { resolve } from '../data/time';
import { format } from '../data/units';
import { type ColumnOf, Card, Empty, Pending, Table } from '../shell/parts';
import { RangePicker } from '../shell/picker';
import { range, setStandard } from '../shell/range';
import { place, tune } from '../shell/state';
import { Top } from '../shell/top';

const KINDS = [['loops', 'Loops'], ['tokens', 'Tokens'], ['tools', 'Tools'], ['errors', 'Errors']] as const;

interface ReportTable {
    name: string;
    title: string;
    keys: string[];
    rows: Item[];
    total: Item | null;
}

interface Report {
    kind: string;
    tables: ReportTable[];
    notes?: unknown[];
}

export function Reports() {
    setStandard({ from: 'now-1d', to: 'now' });
    const kind = place.value.query.get('kind') ?? 'loops';
    const text = range.value;
    const ask = (abort: AbortSignal) => {
        const now = resolve(text, Date.now() / 1000);
        const { start, end } = typeof now === 'string' ? { start: Date.now() / 1000 - 86_400, end: Date.now() / 1000 } : now;
        return get<Report>(`/api/v1/reports/${encodeURIComponent(kind)}`, { from: start, to: end }, abort);
    };
    const { data, error, waiting } = useCall(ask, [kind, text.from, text.to]);
    return (
        <>
            <Top title="Reports">
                <div class="group" role="group" aria-label="Report">
                    {KINDS.map(([name, title]) => <button type="button" class="btn" key={name} aria-pressed={kind === name} onClick={() => tune({ kind: name })}>{title}</button>)}
                </div>
                <RangePicker live />
            </Top>
            <div class="page stack">
                {data ? data.tables.map((t) => <Part table={t} key={t.name} />) : error?.status === 404 ? (
                    <Empty title="This node makes no reports" run={'plimsoll report --help'}>A newer version may. Ask the queries of the dashboards meanwhile.</Empty>
                ) : <Pending waiting={waiting} error={error} />}
                {(data?.notes ?? []).map((n, i) => <p class="faint" key={i}>{typeof n === 'string' ? n : Object.values(n as object).join(' ')}</p>)}
            </div>
        </>
    );
}

function Part({ table: raw }: { table: ReportTable }) {
    const table = { ...raw, rows: raw.rows.map(flat), total: raw.total && flat(raw.total) };
    const names = [...new Set(table.rows.flatMap((r) => Object.keys(r)))].filter((n) => n !== 'compare' && !table.keys.includes(n));
    const columns: ColumnOf<Item>[] = [
        ...table.keys.map((k): ColumnOf<Item> => ({ title: words(k), cell: (r) => String(r[k] ?? ''), by: (r) => String(r[k] ?? '') })),
        ...names.map((n): ColumnOf<Item> => ({ title: words(n), cell: (r) => <Figure row={r} name={n} />, by: (r) => (typeof r[n] === 'number' ? (r[n] as number) : Number.NEGATIVE_INFINITY), right: true })),
    ];
    const rows = table.total && table.rows.length > 1 ? [...table.rows, table.total] : table.rows;
    return (
        <Card title={table.title || words(table.name)}>
            {rows.length === 0 ? <Empty title="Nothing in this period" run="plimsoll demo" /> : <Table rows={rows} columns={columns} keyOf={(r) => `${rows.indexOf(r)}`} />}
        </Card>
    );
}

function Figure({ row, name }: { row: Item; name: string }) {
    const value = row[name];
    if (typeof value !== 'number') return <>{value === null || value === undefined ? '–' : String(value)}</>;
    const compared = (row.compare as Record<string, { percent: number | null }> | undefined)?.[name];
    const percent = compared?.percent;
    return <>{format(value, unitOf(name))}{typeof percent === 'number' && <span class="faint"> {percent > 0 ? '+' : ''}{format(percent, 'percent100')}</span>}</>;
}

const words = (name: string) => name.replace(/^tokens\./, '').replace(/_(seconds|usd|s)$/, '').replace(/_/g, ' ');
