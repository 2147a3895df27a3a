// A dashboard as the node keeps it (docs/dashboards.md).

export type Kind = 'stat' | 'line' | 'area' | 'stacked' | 'bars' | 'table' | 'heatmap' | 'text' | 'section' | 'nodes' | 'alerts' | 'shards' | 'unsupported';

export interface Place {
    x: number;
    y: number;
    w: number;
    h: number;
}

export interface Query {
    expr: string;
    legend?: string;
    /** Unit of this query's column in a table. */
    unit?: string;
}

export interface Threshold {
    at: number;
    level: 'good' | 'warn' | 'bad';
}

export interface Panel {
    title: string;
    kind: Kind;
    at: Place;
    queries?: Query[];
    unit?: string;
    min?: number;
    max?: number;
    thresholds?: Threshold[];
    /** Of a text panel; of an unsupported one, why it is not shown. */
    text?: string;
    /** What to do where the panel has no data. */
    empty?: string;
    description?: string;
}

export interface Variable {
    name: string;
    label?: string;
    /** `label_values(selector, label)`. */
    query?: string;
    values?: string[];
    multi?: boolean;
    /** Chosen at first; none is every value. */
    default?: string[];
}

export interface Dashboard {
    id: string;
    title: string;
    description?: string;
    tags?: string[];
    /** Fed by the node's hub instead of asked again and again. */
    live?: boolean;
    from?: string;
    refresh_seconds?: number;
    variables?: Variable[];
    panels: Panel[];
    built_in?: boolean;
}

export interface DashboardEntry {
    id: string;
    title: string;
    description: string;
    tags: string[];
    panels: number;
    live: boolean;
    built_in: boolean;
    updated_ms: number | null;
    author: string | null;
}

/** Whether a panel wants the values of one moment. */
export const isInstant = (kind: Kind): boolean => kind === 'table' || kind === 'bars';

/** Whether a panel is fed by queries at all. */
export const isAsked = (panel: Panel): boolean => (panel.queries?.length ?? 0) > 0;

/** The level of a value: that of the last threshold that it has reached. */
export function levelOf(value: number | null, thresholds: Threshold[] | undefined): string {
    if (value === null || !thresholds) return '';
    const reached = [...thresholds].sort((a, b) => a.at - b.at).filter((t) => value >= t.at);
    return reached[reached.length - 1]?.level ?? '';
}
