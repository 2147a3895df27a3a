// Budgets: what may be spent, what is, and where it goes from here.

import { get } from '../api/client';
import { useCall } from '../api/use';
import { type Labels, seriesText } from '../data/frame';
import { format } from '../data/units';
import { Card, Empty, LabelSet, Pending, Tag } from '../shell/parts';
import { Top } from '../shell/top';

interface Group {
    labels: Labels;
    spent_usd: string;
    burn_rate_1h: number | null;
    burn_rate_6h: number | null;
    forecast_usd: number | null;
    days_left: number | null;
}

interface Budget {
    name: string;
    limit_usd: string;
    period: string;
    /** What is counted against it; a group a value of its labels. */
    groups: Group[];
}

export function Budgets() {
    const { data, error, waiting } = useCall((abort) => get<Budget[]>('/api/v1/budgets', {}, abort), [], 15_000);
    const all = data ?? [];
    return (
        <>
            <Top title="Budgets" sub="Spending against limits" />
            <div class="page">
                {!data && error?.status !== 404 ? <Pending waiting={waiting} error={error} /> : all.length === 0 ? (
                    <Empty title="No budget yet" run={'plimsoll budget set all --limit 500 --period month'}>A budget is a limit in dollars for a period. It becomes series and alerts.</Empty>
                ) : (
                    <div style={{ display: 'grid', gap: '10px', gridTemplateColumns: 'repeat(auto-fill, minmax(min(330px, 100%), 1fr))' }}>{all.flatMap((b) => (b.groups.length > 0 ? b.groups : [NOTHING]).map((g) => <One budget={b} group={g} key={`${b.name} ${seriesText(g.labels)}`} />))}</div>
                )}
            </div>
        </>
    );
}

const NOTHING: Group = { labels: {}, spent_usd: '0', burn_rate_1h: null, burn_rate_6h: null, forecast_usd: null, days_left: null };

function One({ budget: b, group: g }: { budget: Budget; group: Group }) {
    const [limit, spent] = [Number(b.limit_usd), Number(g.spent_usd)];
    const share = limit > 0 ? spent / limit : 0;
    const level = share >= 1 ? 'bad' : share >= 0.8 || (g.forecast_usd !== null && g.forecast_usd > limit) ? 'warn' : 'good';
    const word = { bad: 'spent', warn: share >= 0.8 ? 'nearly spent' : 'will not last', good: 'on course' }[level];
    return (
        <Card title={<>{b.name} <LabelSet labels={g.labels} skip={['budget', 'period']} /></>} tools={<Tag kind={level}>{word}</Tag>}>
            <div class="body stack" style={{ gap: '8px' }}>
                <div class="row"><span style={{ fontSize: '22px', fontWeight: 560 }} class="num">{format(spent, 'usd')}</span><span class="soft num">of {format(limit, 'usd')} a {b.period}</span></div>
                <div class="bar" style={{ display: 'block', minHeight: 0 }}><div class="track"><span class="fill" style={{ width: `${Math.min(100, share * 100)}%`, background: `var(--${level})` }} /></div></div>
                <div class="row soft num" style={{ justifyContent: 'space-between' }}>
                    <span>{format(share, 'percent')} used</span>
                    <span title="1 uses it up exactly at the end of the period">burn {format(g.burn_rate_1h, 'count')} in 1 h, {format(g.burn_rate_6h, 'count')} in 6 h</span>
                </div>
                <div class="row soft num" style={{ justifyContent: 'space-between' }}>
                    <span>forecast {format(g.forecast_usd, 'usd')}</span>
                    <span>{g.days_left === null ? '' : `lasts ${format(g.days_left * 86_400, 's')}`}</span>
                </div>
            </div>
        </Card>
    );
}
