// What a query is made of: its syntax tree as the node reads it, and how often it was slow.

import { get, post } from '../../api/client';
import type { SlowQuery } from '../../api/types';
import { useCall } from '../../api/use';
import { format } from '../../data/units';
import { ago } from '../../data/time';
import { Pending } from '../../shell/parts';

/** A node of the tree as /api/v1/parse_query answers it. */
interface Tree {
    type: string;
    [more: string]: unknown;
}

export function Explain({ expr }: { expr: string }) {
    const tree = useCall((abort) => post<Tree>('/api/v1/parse_query', { query: expr }, abort), [expr]);
    const slow = useCall((abort) => get<{ slow: SlowQuery[] }>('/api/v1/queries', {}, abort), [expr]);
    const own = (slow.data?.slow ?? []).filter((s) => s.query.replace(/\s+/g, '') === expr.replace(/\s+/g, ''));
    return (
        <div class="stack">
            {tree.data ? <div class="tree"><Branch node={tree.data} /></div> : <Pending waiting={tree.waiting} error={tree.error} />}
            {own.length === 0 ? <p class="faint">This query is not among the slow ones that this node remembers (100 ms and longer).</p> : (
                <p>Slow {own.length === 1 ? 'once' : `${own.length} times`} on this node: {own.slice(0, 5).map((s) => `${format(s.seconds, 's')} ${ago(s.ended_ms / 1000, Date.now() / 1000)}`).join(', ')}.</p>
            )}
        </div>
    );
}

/** The tree's words as people say them. */
const WORDS: Record<string, string> = {
    numberLiteral: 'number', stringLiteral: 'text', vectorSelector: 'series', matrixSelector: 'samples', binaryExpr: 'operator',
    unaryExpr: 'sign', call: 'function', aggregation: 'aggregate', subquery: 'subquery', parenExpr: 'brackets',
};

const INNER = ['expr', 'lhs', 'rhs', 'param', 'args'];

function Branch({ node }: { node: Tree }) {
    const children = INNER.flatMap((name) => {
        const value = node[name];
        return (Array.isArray(value) ? value : [value]).filter((one): one is Tree => one !== null && typeof one === 'object' && 'type' in one);
    });
    return (
        <div class="branch">
            <div class="row"><b>{WORDS[node.type] ?? node.type}</b><code>{detail(node)}</code></div>
            {children.length > 0 && <div class="inner">{children.map((c, i) => <Branch node={c} key={i} />)}</div>}
        </div>
    );
}

function detail(node: Tree): string {
    const text = (name: string) => (typeof node[name] === 'string' || typeof node[name] === 'number' ? String(node[name]) : '');
    const grouping = Array.isArray(node.grouping) && node.grouping.length > 0 ? `${node.without ? 'without' : 'by'} (${(node.grouping as string[]).join(', ')})` : '';
    const matchers = Array.isArray(node.matchers) ? (node.matchers as Array<{ name: string; type: string; value: string }>).filter((m) => m.name !== '__name__').map((m) => `${m.name}${m.type}"${m.value}"`) : [];
    const func = node.func as { name?: string } | undefined;
    const millis = (name: string) => (typeof node[name] === 'number' && node[name] !== 0 ? ` ${name} ${format((node[name] as number) / 1000, 's')}` : '');
    return [text('op'), func?.name ?? '', text('name'), matchers.length > 0 ? `{${matchers.join(', ')}}` : '', grouping, text('val')].filter(Boolean).join(' ') + millis('range') + millis('offset') + millis('step');
}
