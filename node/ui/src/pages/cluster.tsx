// The cluster as a map: nodes as columns, shards as rows, who leads what, what moves, and who changed what.

import { get } from '../api/client';
import type { Cluster, ClusterNode, Move, Shard } from '../api/types';
import { useCall } from '../api/use';
import { ago } from '../data/time';
import { format } from '../data/units';
import { nodeLevel, nodeWord, shardLevel, useCluster } from '../panels/cluster';
import { Card, Pending, Table, Tag } from '../shell/parts';
import { Top } from '../shell/top';

interface Change {
    epoch: number;
    at_ms: number;
    author: string;
    what: string;
}

export function ClusterPage() {
    const { cluster, error, waiting } = useCluster(undefined, 2000);
    return (
        <>
            <Top title="Cluster" sub={cluster ? `${cluster.nodes.length} nodes, ${cluster.shards.length} shards, ${cluster.replication} copies, epoch ${cluster.epoch}` : ''}>{cluster && <Verdict cluster={cluster} />}</Top>
            <div class="page stack">
                {cluster ? (
                    <>
                        {!cluster.quorum && <div class="notice bad" role="alert">The ownership group has no majority: what is there goes on, nothing can be changed. Start the nodes that are away.</div>}
                        <Nodes cluster={cluster} />
                        <Moves moves={cluster.moves} />
                        <ShardMap cluster={cluster} />
                        <Log />
                    </>
                ) : <Pending waiting={waiting} error={error} />}
            </div>
        </>
    );
}

function Verdict({ cluster }: { cluster: Cluster }) {
    const bad = cluster.nodes.filter((n) => nodeLevel(n) === 'bad').length;
    const short = cluster.shards.filter((s) => s.state !== 'ok').length;
    if (bad === 0 && short === 0) return <Tag kind="good"><span class="dot good" />in order</Tag>;
    const parts = [bad > 0 ? `${bad} ${bad === 1 ? 'node is' : 'nodes are'} away` : '', short > 0 ? `${short} shards not in order` : ''].filter(Boolean);
    return <Tag kind={cluster.shards.some((s) => s.state === 'no_leader') || bad > 0 ? 'bad' : 'warn'}>{parts.join(', ')}</Tag>;
}

function Nodes({ cluster }: { cluster: Cluster }) {
    return (
        <div style={{ display: 'grid', gap: '10px', gridTemplateColumns: 'repeat(auto-fit, minmax(min(250px, 100%), 1fr))' }}>
            {cluster.nodes.map((n) => <NodeCard node={n} leads={cluster.leader === n.id} key={n.id} />)}
        </div>
    );
}

function NodeCard({ node: n, leads }: { node: ClusterNode; leads: boolean }) {
    const level = nodeLevel(n);
    const total = n.disk_bytes + n.disk_free_bytes;
    return (
        <section class={`card node-card ${level}`} aria-label={`Node ${n.id}`}>
            <div class="row"><b style={{ fontSize: '15px' }}>n{n.id}</b><Tag kind={level}><span class={`dot ${level}`} />{nodeWord(n)}</Tag>{leads && <Tag>leads ownership</Tag>}{n.voter && !leads && <span class="faint">voter</span>}</div>
            <div class="mono soft clip">{n.address}</div>
            <dl>
                <dt>Replicas</dt><dd>{n.replicas}, leads {n.leaders}</dd>
                <dt>Disk</dt><dd>{format(n.disk_bytes, 'bytes')}, {total > 0 ? format(n.disk_free_bytes, 'bytes') : '–'} free</dd>
                <dt>Clock</dt><dd>{n.clock_offset_ms === null ? '–' : `${n.clock_offset_ms > 0 ? '+' : ''}${n.clock_offset_ms} ms`}</dd>
                <dt>Version</dt><dd>{n.version}{n.zone ? `, zone ${n.zone}` : ''}</dd>
            </dl>
        </section>
    );
}

function Moves({ moves }: { moves: Move[] }) {
    if (moves.length === 0) return null;
    return (
        <Card title={`${moves.length} ${moves.length === 1 ? 'replica' : 'replicas'} on the move`}>
            <div class="body bars">
                {moves.map((m) => {
                    const [done, total] = [Number(m.bytes_done ?? 0), Number(m.bytes_total ?? 0)];
                    const eta = m.eta_seconds === null || m.eta_seconds === undefined ? '' : `, ${format(Number(m.eta_seconds), 's')} left`;
                    return (
                        <div class="bar" key={`${m.shard} ${m.to} ${String(m.phase)}`}>
                            <span>shard {m.shard} {m.phase === 'leaving' ? 'leaves' : 'to'} n{m.to}</span>
                            <span class="track"><span class="fill" style={{ width: `${total > 0 ? (done / total) * 100 : 0}%` }} /></span>
                            <span class="num soft">{String(m.phase).replace('_', ' ')}{total > 0 ? ` ${format(done, 'bytes')} of ${format(total, 'bytes')}${eta}` : ''}</span>
                        </div>
                    );
                })}
            </div>
        </Card>
    );
}

/** What a node is to a shard. */
function part(shard: Shard, node: number): 'leader' | 'voter' | 'learner' | 'wanted' | '' {
    if (shard.leader === node) return 'leader';
    if (shard.voters.includes(node)) return 'voter';
    if (shard.learners.includes(node)) return 'learner';
    return shard.replicas.includes(node) ? 'wanted' : '';
}

function ShardMap({ cluster }: { cluster: Cluster }) {
    return (
        <Card title="Shards" tools={<span class="row faint"><i class="cell leader" /> leads <i class="cell voter" /> copy <i class="cell learner" /> catches up <i class="cell wanted" /> planned</span>}>
            <div class="scroll">
                <table class="map">
                    <thead><tr><th>Shard</th><th>State</th>{cluster.nodes.map((n) => <th key={n.id}>n{n.id}</th>)}<th class="right">Series</th><th class="right">On disk</th></tr></thead>
                    <tbody>
                        {cluster.shards.map((s) => (
                            <tr key={s.id}>
                                <td class="num">{s.id}</td>
                                <td class="tight"><span class={`dot ${shardLevel(s)}`} /> {s.state.replace('_', ' ')}</td>
                                {cluster.nodes.map((n) => <td key={n.id}><i class={`cell ${part(s, n.id)} ${n.live ? '' : 'away'}`} title={`shard ${s.id} on n${n.id}: ${part(s, n.id) || 'nothing'}`} /></td>)}
                                <td class="right">{format(s.series, 'count')}</td>
                                <td class="right">{format(s.bytes, 'bytes')}</td>
                            </tr>
                        ))}
                    </tbody>
                </table>
            </div>
        </Card>
    );
}

function Log() {
    const { data, error, waiting } = useCall((abort) => get<Change[]>('/api/v1/cluster/log', { limit: 40 }, abort), [], 5000);
    return (
        <Card title="Changes, the newest first">
            {!data ? <div class="body"><Pending waiting={waiting} error={error} /></div> : (
                <Table rows={[...data].reverse()} keyOf={(c) => `${c.epoch} ${c.at_ms} ${c.what}`} columns={[
                    { title: 'When', cell: (c) => ago(c.at_ms / 1000, Date.now() / 1000), tight: true },
                    { title: 'What', cell: (c) => c.what },
                    { title: 'Who', cell: (c) => <span class="soft">{c.author}</span> },
                    { title: 'Epoch', cell: (c) => c.epoch, right: true },
                ]} />
            )}
        </Card>
    );
}
