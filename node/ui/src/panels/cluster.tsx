// What is asked of the cluster itself and not of its samples.

import { get } from '../api/client';
import type { LiveStore } from '../api/live';
import type { Alert, Cluster, ClusterNode, Shard } from '../api/types';
import { useCall } from '../api/use';
import { seriesText } from '../data/frame';
import { format } from '../data/units';
import { Pending, Tag } from '../shell/parts';
import { href } from '../shell/state';

/** The cluster as the live stream tells it, or as it is asked for. */
export function useCluster(live: LiveStore | undefined, everyMs = 3000) {
    const pushed = live?.cluster.value;
    const asked = useCall((abort) => (live ? Promise.resolve(undefined) : get<Cluster>('/api/v1/cluster', {}, abort)), [live], live ? 0 : everyMs);
    return { cluster: pushed ?? asked.data, error: asked.error, waiting: asked.waiting };
}

/** How a node is: away is bad, on its way in or out is worth a look. */
export function nodeLevel(node: ClusterNode): 'good' | 'warn' | 'bad' {
    if (!node.live || node.state === 'dead') return 'bad';
    return node.read_only || node.state !== 'active' ? 'warn' : 'good';
}

export function nodeWord(node: ClusterNode): string {
    if (!node.live) return 'away';
    if (node.read_only) return 'read-only';
    return node.state === 'active' ? 'up' : node.state;
}

export function NodeStrip({ live }: { live: LiveStore | undefined }) {
    const { cluster, error, waiting } = useCluster(live);
    if (!cluster) return <Pending waiting={waiting} error={error} />;
    return (
        <div class="node-strip">
            {cluster.nodes.map((n) => (
                <a class={`node ${nodeLevel(n)}`} key={n.id} href={href('cluster')}>
                    <span class="row" style={{ gap: '6px' }}><b>n{n.id}</b><span class={nodeLevel(n)}>{nodeWord(n)}</span><span class="grow" /><span class="faint num">{n.leaders} led</span></span>
                    <span class="faint clip num">{n.address}, {format(n.disk_bytes, 'bytes')}</span>
                </a>
            ))}
        </div>
    );
}

export function shardLevel(shard: Shard): 'good' | 'warn' | 'bad' {
    if (shard.state === 'no_leader') return 'bad';
    return shard.state === 'ok' ? 'good' : 'warn';
}

export function ShardStrip({ live }: { live: LiveStore | undefined }) {
    const { cluster, error, waiting } = useCluster(live);
    if (!cluster) return <Pending waiting={waiting} error={error} />;
    const count = (state: string) => cluster.shards.filter((s) => s.state === state).length;
    const figures: Array<[string, number, string]> = [
        ['shards in order', count('ok'), 'good'],
        ['on the move', count('moving'), count('moving') > 0 ? 'warn' : ''],
        ['short of copies', count('under_replicated'), count('under_replicated') > 0 ? 'warn' : ''],
        ['without a leader', count('no_leader'), count('no_leader') > 0 ? 'bad' : ''],
    ];
    return (
        <div class="stat-list">
            {figures.map(([name, value, level]) => <div class="stat" key={name}><div class={`value small ${level}`}>{value}</div><div class="below">{name}</div></div>)}
        </div>
    );
}

export function AlertList() {
    const { data, error, waiting } = useCall((abort) => get<{ alerts: Alert[] }>('/api/v1/alerts', {}, abort), [], 10_000);
    if (!data) return <Pending waiting={waiting} error={error} />;
    const firing = data.alerts.filter((a) => a.state === 'firing');
    if (firing.length === 0) return <p class="hint">Nothing is firing.</p>;
    return (
        <div class="bars">
            {firing.slice(0, 30).map((a) => (
                <a class="row" key={seriesText(a.labels)} href={href('alerts')} style={{ flexWrap: 'nowrap' }}>
                    <Tag kind={a.labels.severity === 'page' || a.labels.severity === 'critical' ? 'bad' : 'warn'}>{a.labels.severity ?? 'firing'}</Tag>
                    <span class="clip grow">{a.labels.alertname}</span>
                    <span class="faint clip">{a.annotations.summary ?? ''}</span>
                </a>
            ))}
        </div>
    );
}
