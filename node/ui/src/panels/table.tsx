import type { Panel } from '../data/dashboard';
import { type Frame, last, seriesText } from '../data/frame';
import { format } from '../data/units';
import { type ColumnOf, Table } from '../shell/parts';

interface Row {
    key: string;
    labels: Record<string, string>;
    values: Map<string, number>;
}

/** A row a set of labels, a column a label and a query. */
export function QueryTable({ panel, frame }: { panel: Panel; frame: Frame }) {
    const queries = panel.queries ?? [];
    const rows = rowsOf(frame);
    const names = [...new Set(rows.flatMap((r) => Object.keys(r.labels)))];
    const labels = names.map((name): ColumnOf<Row> => ({ title: name, cell: (r) => r.labels[name] ?? '', by: (r) => r.labels[name] ?? '' }));
    const values = queries.map((q, i): ColumnOf<Row> => ({
        title: q.legend || (queries.length === 1 ? 'value' : `value ${i + 1}`),
        cell: (r) => format(r.values.get(q.expr) ?? null, q.unit ?? panel.unit),
        by: (r) => r.values.get(q.expr) ?? Number.NEGATIVE_INFINITY,
        right: true,
    }));
    return <Table rows={rows} columns={[...labels, ...values]} keyOf={(r) => r.key} first={values[0]?.title} most={200} />;
}

function rowsOf(frame: Frame): Row[] {
    const rows = new Map<string, Row>();
    for (const column of frame.columns) {
        const { __name__: _, ...labels } = column.labels;
        const key = seriesText(labels);
        const row = rows.get(key) ?? { key, labels, values: new Map() };
        const value = last(column.values);
        if (value !== null) row.values.set(column.query ?? '', value);
        rows.set(key, row);
    }
    return [...rows.values()];
}
