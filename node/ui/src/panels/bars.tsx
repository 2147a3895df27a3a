import { levelOf, type Threshold } from '../data/dashboard';
import { type Frame, last } from '../data/frame';
import { format } from '../data/units';

/** The values of one moment as bars, the longest first. */
export function Bars({ frame, unit = '', thresholds, max }: { frame: Frame; unit?: string; thresholds?: Threshold[]; max?: number }) {
    const rows = frame.columns.map((c) => ({ name: c.name, value: last(c.values) })).filter((r): r is { name: string; value: number } => r.value !== null);
    rows.sort((a, b) => b.value - a.value);
    const most = max ?? Math.max(...rows.map((r) => Math.abs(r.value)).filter(Number.isFinite), 0);
    const color = (value: number) => {
        const level = levelOf(value, thresholds);
        return level ? `var(--${level})` : undefined;
    };
    return (
        <div class="bars">
            {rows.slice(0, 50).map((r) => (
                <div class="bar" key={r.name}>
                    <span class="clip" title={r.name}>{r.name}</span>
                    <span class="track"><span class="fill" style={{ width: `${most > 0 ? Math.min(100, (Math.abs(r.value) / most) * 100) : 0}%`, background: color(r.value) }} /></span>
                    <span class="num">{format(r.value, unit)}</span>
                </div>
            ))}
            {rows.length > 50 && <span class="faint">and {rows.length - 50} more</span>}
        </div>
    );
}
