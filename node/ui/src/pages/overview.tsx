import { useEffect, useState } from 'preact/hooks';
import { get } from '../api/client';
import type { LiveStore } from '../api/live';
import { useCall } from '../api/use';
import type { Dashboard } from '../data/dashboard';
import { Pending, Tag } from '../shell/parts';
import { RangePicker } from '../shell/picker';
import { setStandard } from '../shell/range';
import { Top } from '../shell/top';
import { Board } from './board';

/** What happens now. */
export function Overview() {
    setStandard({ from: 'now-15m', to: 'now' });
    const { data, error, waiting } = useCall((abort) => get<Dashboard>('/api/v1/dashboards/overview', {}, abort), []);
    const [live, setLive] = useState<LiveStore | undefined>();
    useEffect(() => () => setLive(undefined), []);
    return (
        <>
            <Top title="Overview">
                <LiveTag live={live} />
                <RangePicker live={live !== undefined} />
            </Top>
            <div class="page">{data ? <Board dashboard={data} onLive={setLive} /> : <Pending waiting={waiting} error={error} />}</div>
        </>
    );
}

/** Whether what is seen is the present. */
export function LiveTag({ live }: { live: LiveStore | undefined }) {
    if (!live) return null;
    const status = live.status.value;
    if (status === 'live') return <Tag kind="good"><span class="dot good" />live</Tag>;
    return <span title={live.reason.value}><Tag kind={status === 'lost' ? 'bad' : ''}><span class={`dot ${status === 'lost' ? 'bad' : ''}`} />{status === 'lost' ? 'reconnecting' : 'connecting'}</Tag></span>;
}
