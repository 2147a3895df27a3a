// Lines over time: uPlot, with a legend, a tip that follows the pointer, and a range that is chosen by dragging.

import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import { colorOf } from '../data/colors';
import { type Column, type Frame, last } from '../data/frame';
import { clock, stamp } from '../data/time';
import { axisLabels, format, type Unit } from '../data/units';
import { theme } from '../shell/state';

export interface LinesProps {
    frame: Frame;
    unit?: Unit;
    kind?: 'line' | 'area' | 'stacked' | 'bars';
    /** Horizontal lines. */
    thresholds?: Array<{ at: number; level: string }>;
    /** Least and most of the y axis. */
    min?: number;
    max?: number;
    start?: number;
    end?: number;
    legend?: boolean;
    bare?: boolean;
    onZoom?: (start: number, end: number) => void;
    /** Charts with the same word move their pointers together. */
    sync?: string;
}

/** Steps of an axis of bytes: 1024 and its halves, so that labels are round. */
const POWERS = Array.from({ length: 60 }, (_, i) => 2 ** i);
/** Lines that are drawn; the legend offers the others. */
const MOST_DRAWN = 120;

export function Lines(props: LinesProps) {
    const { frame, unit = '', kind = 'line', legend = true, bare = false } = props;
    const root = useRef<HTMLDivElement>(null);
    const plot = useRef<uPlot | undefined>(undefined);
    const [alone, setAlone] = useState<string | undefined>(undefined);
    const [all, setAll] = useState(false);
    const columns = useMemo(() => {
        const some = all ? frame.columns : frame.columns.slice(0, MOST_DRAWN);
        return alone === undefined ? some : some.filter((c) => c.name === alone);
    }, [frame, alone, all]);
    const drawn = useMemo(() => table(frame.times, columns, kind === 'stacked'), [frame, columns, kind]);
    const dark = theme.value === 'dark';
    const shape = `${columns.map((c) => c.name).join('\u0000')}|${kind}|${unit}|${dark}|${bare}|${props.min}|${props.max}|${JSON.stringify(props.thresholds ?? [])}`;

    useEffect(() => {
        const at = root.current;
        if (!at) return;
        const options = optionsOf(props, columns, frame.columns, at);
        const made = new uPlot(options, drawn, at);
        plot.current = made;
        const observer = new ResizeObserver(() => {
            const size = sizeOf(at);
            if (size.width !== made.width || size.height !== made.height) made.setSize(size);
        });
        observer.observe(at);
        return () => {
            observer.disconnect();
            made.destroy();
            plot.current = undefined;
        };
    }, [shape]);

    useEffect(() => {
        const made = plot.current;
        if (!made || made.data === drawn || made.series.length !== drawn.length) return;
        made.setData(drawn, false);
        made.setScale('x', scaleX(props, frame));
    }, [drawn, props.start, props.end]);

    return (
        <div class="chart">
            <div class="plot" ref={root} />
            {legend && frame.columns.length > 0 && (
                <Legend columns={frame.columns} unit={unit} alone={alone} choose={setAlone} all={all} showAll={() => setAll(true)} />
            )}
        </div>
    );
}

function Legend({ columns, unit, alone, choose, all, showAll }: { columns: Column[]; unit: Unit; alone: string | undefined; choose: (name: string | undefined) => void; all: boolean; showAll: () => void }) {
    return (
        <div class="legend">
            {columns.slice(0, 60).map((c, i) => (
                <button type="button" key={c.name} aria-pressed={alone === undefined || alone === c.name} title={c.name} onClick={() => choose(alone === c.name ? undefined : c.name)}>
                    <span class="swatch" style={{ background: colorOf(i) }} />
                    <span class="clip">{c.name}</span>
                    <span class="num">{format(last(c.values), unit)}</span>
                </button>
            ))}
            {columns.length > 60 && <span class="faint">and {columns.length - 60} more</span>}
            {columns.length > MOST_DRAWN && !all && <button type="button" class="link" onClick={showAll}>draw all {columns.length} lines (the first {MOST_DRAWN} are)</button>}
        </div>
    );
}

/** The columns as uPlot takes them; gaps are null, and stacked columns hold running sums. */
function table(times: Float64Array, columns: Column[], stacked: boolean): uPlot.AlignedData {
    const sums = stacked ? new Float64Array(times.length) : undefined;
    const lines = columns.map((c) => {
        const out = new Array<number | null>(times.length);
        for (let i = 0; i < times.length; i++) {
            const v = c.values[i] as number;
            if (sums) {
                if (Number.isFinite(v)) sums[i] = (sums[i] as number) + v;
                out[i] = Number.isFinite(v) || columns.length > 1 ? (sums[i] as number) : null;
            } else {
                out[i] = Number.isFinite(v) ? v : null;
            }
        }
        return out;
    });
    return [times, ...lines] as unknown as uPlot.AlignedData;
}

function sizeOf(at: HTMLElement): { width: number; height: number } {
    return { width: Math.max(at.clientWidth, 40), height: Math.max(at.clientHeight, 30) };
}

function scaleX(props: LinesProps, frame: Frame): { min: number; max: number } {
    const times = frame.times;
    return { min: props.start ?? times[0] ?? 0, max: props.end ?? times[times.length - 1] ?? 1 };
}

function optionsOf(props: LinesProps, columns: Column[], every: Column[], at: HTMLElement): uPlot.Options {
    const { kind = 'line', unit = '', bare = false } = props;
    const style = getComputedStyle(document.documentElement);
    const color = (name: string) => style.getPropertyValue(name).trim();
    const axis = { stroke: color('--faint'), font: '11px "Inter Variable", sans-serif', ticks: { show: false }, grid: { stroke: color('--line'), width: 1 } };
    const filled = kind === 'area' || kind === 'stacked';
    const series = columns.map((c) => {
        const shade = colorOf(every.indexOf(c));
        return {
            label: c.name,
            stroke: shade,
            width: 1.5,
            points: { show: c.values.length < 3, size: 4 },
            fill: filled ? `${shade}${kind === 'stacked' ? 'a0' : '22'}` : undefined,
            paths: kind === 'bars' ? uPlot.paths.bars?.({ size: [0.8, 40] }) : undefined,
            spanGaps: false,
        } satisfies uPlot.Series;
    });
    // a stacked area is drawn from its own sum down to the one below
    const bands = kind === 'stacked' ? columns.slice(1).map((_, i) => ({ series: [i + 2, i + 1] as [number, number] })) : undefined;
    return {
        ...sizeOf(at),
        padding: bare ? [2, 0, 0, 0] : [8, 6, 0, 0],
        legend: { show: false },
        cursor: {
            show: !bare,
            y: false,
            drag: { x: props.onZoom !== undefined, y: false, setScale: false },
            points: { size: 6 },
            sync: props.sync ? { key: props.sync, setSeries: false } : undefined,
        },
        bands,
        scales: { x: { time: true, range: () => range(scaleX(props, props.frame)) }, y: { range: (_, low, high) => rangeY(props, low, high) } },
        axes: bare
            ? [{ show: false }, { show: false }]
            : [
                  { ...axis, size: 22, gap: 3, space: 70, values: (_, splits) => splits.map((s) => timeLabel(s, splits)) },
                  { ...axis, size: (u, values) => axisWidth(u, values), incrs: unit.startsWith('bytes') ? POWERS : undefined, gap: 6, space: 34, values: (_, splits) => axisLabels(splits, unit) },
              ],
        series: [{}, ...series],
        plugins: bare ? [] : [tips(columns, every, unit, kind === 'stacked'), lines(props.thresholds ?? [], color)],
        hooks: {
            setSelect: [
                (u) => {
                    if (u.select.width < 4) return;
                    props.onZoom?.(u.posToVal(u.select.left, 'x'), u.posToVal(u.select.left + u.select.width, 'x'));
                    u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
                },
            ],
        },
    };
}

const range = ({ min, max }: { min: number; max: number }): [number, number] => [min, Math.max(max, min + 1)];

function rangeY(props: LinesProps, low: number | null, high: number | null): [number, number] {
    if (low === null || high === null) return [props.min ?? 0, props.max ?? 1];
    const least = props.min ?? (low >= 0 && (low < high * 0.6 || props.kind !== 'line') ? 0 : low - (high - low) * 0.08);
    const most = props.max ?? high + (high - least) * 0.06;
    return most > least ? [least, most] : [least, least + (Math.abs(least) || 1)];
}

function axisWidth(u: uPlot, values: string[] | null): number {
    const longest = Math.max(0, ...(values ?? []).map((v) => v.length));
    return u.width < 220 ? Math.min(longest * 6 + 10, 52) : longest * 6.2 + 12;
}

function timeLabel(seconds: number, splits: number[]): string {
    const step = (splits[1] ?? 0) - (splits[0] ?? 0);
    const d = new Date(seconds * 1000);
    const midnight = d.getHours() === 0 && d.getMinutes() === 0 && d.getSeconds() === 0;
    if (step >= 86_400 || midnight) return d.toLocaleDateString(undefined, { month: 'short', day: 'numeric' });
    return step >= 60 ? clock(seconds).slice(0, 5) : clock(seconds);
}

function lines(thresholds: Array<{ at: number; level: string }>, color: (name: string) => string): uPlot.Plugin {
    return {
        hooks: {
            draw: [
                (u) => {
                    for (const { at, level } of thresholds) {
                        const y = u.valToPos(at, 'y', true);
                        if (y < u.bbox.top || y > u.bbox.top + u.bbox.height) continue;
                        u.ctx.save();
                        u.ctx.strokeStyle = color(level === 'bad' ? '--bad' : '--warn');
                        u.ctx.setLineDash([5, 5]);
                        u.ctx.beginPath();
                        u.ctx.moveTo(u.bbox.left, y);
                        u.ctx.lineTo(u.bbox.left + u.bbox.width, y);
                        u.ctx.stroke();
                        u.ctx.restore();
                    }
                },
            ],
        },
    };
}

/** The values under the pointer, the largest first. */
function tips(columns: Column[], every: Column[], unit: Unit, stacked: boolean): uPlot.Plugin {
    const tip = document.createElement('div');
    tip.className = 'tip';
    tip.hidden = true;
    const show = (u: uPlot) => {
        const { idx, left = -1, top = 0 } = u.cursor;
        const own = idx !== null && idx !== undefined && left >= 0 && u.over.matches(':hover');
        tip.hidden = !own;
        if (!own) return;
        const values = columns.map((c) => ({ c, v: c.values[idx] as number })).filter(({ v }) => Number.isFinite(v));
        if (!stacked) values.sort((a, b) => b.v - a.v);
        const time = document.createElement('time');
        time.textContent = stamp(u.data[0][idx] as number);
        const rows = values.slice(0, 12).map(({ c, v }) => tipRow(colorOf(every.indexOf(c)), c.name, format(v, unit)));
        tip.replaceChildren(time, ...rows);
        if (values.length > 12) tip.append(tipRow('transparent', `${values.length - 12} more`, ''));
        const [width, height] = [tip.offsetWidth, tip.offsetHeight];
        const right = left + u.over.offsetLeft + 14;
        tip.style.left = `${right + width > u.width ? Math.max(0, left + u.over.offsetLeft - width - 14) : right}px`;
        tip.style.top = `${Math.max(0, Math.min(top + u.over.offsetTop - height / 2, u.height - height))}px`;
    };
    return {
        hooks: {
            init: [(u) => void u.root.append(tip)],
            setCursor: [show],
        },
    };
}

function tipRow(color: string, name: string, value: string): HTMLElement {
    const row = document.createElement('div');
    const swatch = document.createElement('span');
    swatch.className = 'swatch';
    swatch.style.background = color;
    const label = document.createElement('span');
    label.textContent = name;
    label.className = 'clip';
    const number = document.createElement('b');
    number.className = 'num';
    number.textContent = value;
    row.append(swatch, label, number);
    return row;
}
