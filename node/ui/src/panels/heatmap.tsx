// A heat map of a histogram: rows are buckets, columns are times, shades are how many fell in.

import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { heat } from '../data/colors';
import type { Frame } from '../data/frame';
import { bucketsOf, type Heat } from '../data/heat';
import { clock, stamp } from '../data/time';
import { format, type Unit } from '../data/units';
import { theme } from '../shell/state';

const LEFT = 56;
const BOTTOM = 20;

export function HeatMap({ frame, unit = 's' }: { frame: Frame; unit?: Unit }) {
    const canvas = useRef<HTMLCanvasElement>(null);
    const found = useMemo(() => bucketsOf(frame), [frame]);
    const [at, setAt] = useState<{ x: number; y: number } | undefined>();
    const dark = theme.value === 'dark';
    useEffect(() => {
        const element = canvas.current;
        if (!element) return;
        const paint = () => draw(element, found, unit, dark);
        paint();
        const observer = new ResizeObserver(paint);
        observer.observe(element.parentElement as Element);
        return () => observer.disconnect();
    }, [found, unit, dark]);
    const tip = at && canvas.current ? under(canvas.current, found, at, unit) : undefined;
    const move = (e: PointerEvent) => {
        const box = (e.currentTarget as HTMLElement).getBoundingClientRect();
        setAt({ x: e.clientX - box.left, y: e.clientY - box.top });
    };
    return (
        <div class="chart">
            <div class="plot" onPointerMove={move} onPointerLeave={() => setAt(undefined)}>
                <canvas ref={canvas} style={{ position: 'absolute', inset: 0, width: '100%', height: '100%' }} />
                {tip && (
                    <div class="tip" style={{ left: `${Math.min(at?.x ?? 0, (canvas.current?.clientWidth ?? 0) - 170) + 12}px`, top: `${Math.max((at?.y ?? 0) - 46, 0)}px` }}>
                        <time>{tip.time}</time>
                        <div><span /><span>{tip.bucket}</span><b class="num">{tip.count}</b></div>
                    </div>
                )}
            </div>
        </div>
    );
}

function cells(element: HTMLCanvasElement, found: Heat) {
    const [width, height] = [element.clientWidth - LEFT, element.clientHeight - BOTTOM];
    return { width, height, w: width / Math.max(found.times.length, 1), h: height / Math.max(found.rows.length, 1) };
}

function draw(element: HTMLCanvasElement, found: Heat, unit: Unit, dark: boolean): void {
    const scale = devicePixelRatio || 1;
    element.width = element.clientWidth * scale;
    element.height = element.clientHeight * scale;
    const ctx = element.getContext('2d');
    if (!ctx || found.rows.length === 0) return;
    ctx.scale(scale, scale);
    const { width, height, w, h } = cells(element, found);
    found.rows.forEach((row, r) => {
        row.counts.forEach((count, t) => {
            if (!(count > 0)) return;
            ctx.fillStyle = heat(count / found.most, dark);
            ctx.fillRect(LEFT + t * w, height - (r + 1) * h, Math.max(w - (w > 4 ? 1 : 0), 0.6), Math.max(h - 1, 1));
        });
    });
    ctx.fillStyle = getComputedStyle(document.documentElement).getPropertyValue('--faint');
    ctx.font = '11px "Inter Variable", sans-serif';
    ctx.textAlign = 'right';
    ctx.textBaseline = 'middle';
    const every = Math.ceil(16 / h);
    found.rows.forEach((row, r) => {
        if (r % every === 0) ctx.fillText(row.upper === Infinity ? '> ' + format(row.lower, unit) : format(row.upper, unit), LEFT - 7, height - (r + 1) * h + 5);
    });
    ctx.textAlign = 'center';
    const ticks = Math.max(2, Math.floor(width / 110));
    for (let i = 0; i < ticks; i++) {
        const t = found.times[Math.floor((i + 0.5) * (found.times.length / ticks))];
        if (t !== undefined) ctx.fillText(clock(t).slice(0, 5), LEFT + ((i + 0.5) * width) / ticks, height + BOTTOM / 2 + 2);
    }
}

function under(element: HTMLCanvasElement, found: Heat, at: { x: number; y: number }, unit: Unit) {
    const { height, w, h } = cells(element, found);
    const t = Math.floor((at.x - LEFT) / w);
    const row = found.rows[Math.floor((height - at.y) / h)];
    const time = found.times[t];
    if (!row || time === undefined) return undefined;
    const bucket = row.upper === Infinity ? `over ${format(row.lower, unit)}` : `${format(row.lower, unit)} to ${format(row.upper, unit)}`;
    return { time: stamp(time), bucket, count: format(row.counts[t] ?? 0, 'count') };
}
