// A panel: frame, title, and what is in it by kind.

import { useMemo } from 'preact/hooks';
import { isAsked, levelOf, type Panel } from '../data/dashboard';
import { type Frame, last } from '../data/frame';
import { substitute } from '../data/variables';
import { format } from '../data/units';
import { Icon } from '../shell/icons';
import { href } from '../shell/state';
import { Bars } from './bars';
import { AlertList, NodeStrip, ShardStrip } from './cluster';
import { type Context, type PanelData, panelStep, usePanel } from './data';
import { HeatMap } from './heatmap';
import { Lines } from './lines';
import { QueryTable } from './table';

export function PanelView({ panel, context }: { panel: Panel; context: Context }) {
    if (panel.kind === 'section') return <h2 class="section" style={{ gridRow: `${panel.at.y + 1}` }}>{panel.title}</h2>;
    const { x, y, w, h } = panel.at;
    const place = { gridColumn: `${x + 1} / span ${w}`, gridRow: `${y + 1} / span ${h}` };
    const tall = h >= 6;
    const flush = panel.kind === 'table';
    const small = panel.kind === 'stat' && w <= 6;
    return (
        <section class={`panel ${tall ? 'tall' : ''} ${flush ? 'flush' : ''} ${small ? 'small' : ''}`} style={place} aria-label={panel.title}>
            <header>
                <h3 class="clip" title={panel.description || panel.title}>{panel.title}</h3>
                <span class="tools"><ExploreLink panel={panel} context={context} /></span>
            </header>
            <div class="content"><Content panel={panel} context={context} /></div>
        </section>
    );
}

function ExploreLink({ panel, context }: { panel: Panel; context: Context }) {
    const first = panel.queries?.[0];
    if (!first) return null;
    const range = context.range();
    const expr = substitute(first.expr, context.values, { step: panelStep(range), range: range.end - range.start });
    const [from = '', to = ''] = context.rangeKey.split('|');
    return <a class="btn icon plain" title="Open in Explore" aria-label={`Open ${panel.title} in Explore`} href={href('explore', { expr, from, to })}><Icon name="open" /></a>;
}

function Content({ panel, context }: { panel: Panel; context: Context }) {
    switch (panel.kind) {
        case 'text': return <p class="hint" style={{ margin: 0, textAlign: 'left', whiteSpace: 'pre-wrap', overflow: 'auto' }}>{panel.text}</p>;
        case 'unsupported': return <p class="hint">Not shown: {panel.text}</p>;
        case 'nodes': return <NodeStrip live={context.live} />;
        case 'shards': return <ShardStrip live={context.live} />;
        case 'alerts': return <AlertList />;
        default: return isAsked(panel) ? <Asked panel={panel} context={context} /> : <p class="hint">This panel has no query.</p>;
    }
}

function Asked({ panel, context }: { panel: Panel; context: Context }) {
    const data = usePanel(panel, context);
    const { frame, error, waiting } = data;
    if (error && !frame) return <p class="hint bad" role="alert">{error}</p>;
    if (!frame) return <p class="hint" aria-busy={waiting}>{waiting ? '…' : ''}</p>;
    const empty = frame.columns.every((c) => last(c.values) === null);
    if (empty) return <Nothing panel={panel} />;
    return (
        <>
            <Shown panel={panel} frame={frame} data={data} context={context} />
            {(frame.left > 0 || frame.warnings.length > 0) && (
                <p class="faint clip" title={frame.warnings.join('\n')}>{frame.left > 0 ? `${frame.left} more series are left out. ` : ''}{frame.warnings[0]}</p>
            )}
        </>
    );
}

function Nothing({ panel }: { panel: Panel }) {
    return <p class="hint">{panel.empty ?? 'No samples in this range.'}</p>;
}

function Shown({ panel, frame, data, context }: { panel: Panel; frame: Frame; data: PanelData; context: Context }) {
    switch (panel.kind) {
        case 'stat': return <Stat panel={panel} frame={frame} data={data} />;
        case 'bars': return <Bars frame={frame} unit={panel.unit} thresholds={panel.thresholds} max={panel.max} />;
        case 'table': return <QueryTable panel={panel} frame={frame} />;
        case 'heatmap': return <HeatMap frame={frame} unit={panel.unit} />;
        default: {
            const kind = panel.kind === 'area' || panel.kind === 'stacked' ? panel.kind : 'line';
            const { min, max, unit, thresholds } = panel;
            return <Lines frame={frame} unit={unit} kind={kind} min={min} max={max} thresholds={thresholds} start={data.range.start} end={data.range.end} onZoom={context.onZoom} sync={context.dashboard.id} legend={panel.at.h >= 5} />;
        }
    }
}

function Stat({ panel, frame, data }: { panel: Panel; frame: Frame; data: PanelData }) {
    const several = frame.columns.length > 1;
    const tall = panel.at.h >= 3;
    const columns = useMemo(() => frame.columns.slice(0, 8), [frame]);
    if (several) {
        return (
            <div class="stat-list">
                {columns.map((c) => <Value key={c.name} value={last(c.values)} below={c.name} panel={panel} small />)}
            </div>
        );
    }
    return (
        <>
            <Value value={last(columns[0]?.values ?? new Float64Array())} below={panel.description ?? ''} panel={panel} />
            {tall && frame.times.length > 2 && (
                <div class="spark"><Lines frame={frame} unit={panel.unit} kind="area" legend={false} bare start={data.range.start} end={data.range.end} min={panel.min} max={panel.max} /></div>
            )}
        </>
    );
}

function Value({ value, below, panel, small = false }: { value: number | null; below: string; panel: Panel; small?: boolean }) {
    return (
        <div class="stat">
            <div class={`value ${small ? 'small' : ''} ${levelOf(value, panel.thresholds)}`}>{format(value, panel.unit)}</div>
            {below && <div class="below clip" title={below}>{below}</div>}
        </div>
    );
}
