//! What commands do to the state.

use plimsoll_model::{Epoch, NodeId, ShardId};
use plimsoll_ownership::{Action, ClusterId, Command, NodeState, Refusal, Reply, State};
use proptest::prelude::*;

const CLUSTER: ClusterId = ClusterId(7);

fn ask(state: &mut State, action: Action) -> Reply {
    state.apply(Command { author: "ana".to_owned(), at_ms: 1_000, action })
}

fn founded(shards: u16) -> State {
    let mut state = State::default();
    let reply = ask(&mut state, Action::Found { cluster: CLUSTER, shards, replication: 3 });
    assert_eq!(reply, Reply::Done(Epoch(1)));
    state
}

fn registration(identity: u128) -> Action {
    Action::Register {
        identity,
        peer_address: format!("10.0.0.{identity}:7777"),
        address: format!("10.0.0.{identity}:7777"),
        zone: String::new(),
        version: "0.1.0".to_owned(),
    }
}

fn register(state: &mut State, identity: u128) -> NodeId {
    match ask(state, registration(identity)) {
        Reply::Registered(node, _) => node,
        other => panic!("{other:?}"),
    }
}

fn active(state: &mut State, identity: u128) -> NodeId {
    let node = register(state, identity);
    let reply = ask(state, Action::SetNodeState { node, state: NodeState::Active });
    assert!(matches!(reply, Reply::Done(_)));
    node
}

fn refusal(reply: Reply) -> Refusal {
    match reply {
        Reply::Refused(refusal) => refusal,
        other => panic!("not refused: {other:?}"),
    }
}

#[test]
fn a_cluster_is_founded_once() {
    let mut state = State::default();
    assert_eq!(refusal(ask(&mut state, registration(1))), Refusal::NotFounded);
    for shards in [0, 257] {
        let reply = ask(&mut state, Action::Found { cluster: CLUSTER, shards, replication: 3 });
        assert!(matches!(refusal(reply), Refusal::OutOfRange { .. }));
    }
    let mut state = founded(16);
    let again = Action::Found { cluster: CLUSTER, shards: 16, replication: 3 };
    assert_eq!(ask(&mut state, again), Reply::Done(Epoch(1)));
    let other = Action::Found { cluster: ClusterId(8), shards: 16, replication: 3 };
    assert_eq!(refusal(ask(&mut state, other)), Refusal::AlreadyFounded(CLUSTER));
}

#[test]
fn the_ranges_of_the_shards_cover_every_hash_once() {
    for shards in [1, 3, 16, 255, 256] {
        let state = founded(shards);
        let mut next = 0u128;
        for shard in state.shards() {
            assert_eq!(u128::from(shard.first_hash), next);
            next = u128::from(shard.last_hash) + 1;
            for hash in [shard.first_hash, shard.last_hash] {
                assert_eq!(state.shard_of(hash).map(|found| found.id), Some(shard.id));
            }
        }
        assert_eq!(next, 1 << 64);
    }
    assert_eq!(State::default().shard_of(5), None);
}

#[test]
fn a_node_keeps_its_number_and_no_other_gets_it() {
    let mut state = founded(4);
    let first = active(&mut state, 1);
    let epoch = state.epoch();
    assert_eq!(ask(&mut state, registration(1)), Reply::Registered(first, epoch));
    assert_eq!(register(&mut state, 2), NodeId(2));
    for next in [NodeState::Draining, NodeState::Removed] {
        ask(&mut state, Action::SetNodeState { node: first, state: next });
    }
    assert_eq!(refusal(ask(&mut state, registration(1))), Refusal::NodeRemoved(first));
    assert_eq!(register(&mut state, 3), NodeId(3));
    let back = Action::SetNodeState { node: first, state: NodeState::Active };
    assert!(matches!(refusal(ask(&mut state, back)), Refusal::NodeState { .. }));
}

#[test]
fn states_of_a_node_follow_its_life() {
    use NodeState::{Active, Dead, Draining, Joining, Removed};
    let all = [Joining, Active, Draining, Dead, Removed];
    let allowed = [
        (Joining, Active),
        (Joining, Dead),
        (Joining, Removed),
        (Active, Draining),
        (Active, Dead),
        (Draining, Active),
        (Draining, Dead),
        (Draining, Removed),
        (Dead, Active),
        (Dead, Draining),
        (Dead, Removed),
    ];
    for from in all {
        for to in all {
            assert_eq!(from.may_become(to), from == to || allowed.contains(&(from, to)), "{from} to {to}");
        }
    }
}

#[test]
fn a_shard_is_placed_on_nodes_that_may_have_it() {
    let mut state = founded(4);
    let (one, two) = (active(&mut state, 1), active(&mut state, 2));
    let joining = register(&mut state, 3);
    let shard = ShardId(2);
    let place = |replicas: &[NodeId], leader, seen| Action::Place {
        shard,
        replicas: replicas.to_vec(),
        leader,
        seen,
    };
    let seen = state.shards()[2].epoch;
    let Reply::Done(placed) = ask(&mut state, place(&[one, two], Some(two), seen)) else { panic!("refused") };
    assert_eq!(state.shards()[2].epoch, placed);
    assert_eq!(ask(&mut state, place(&[one, two], Some(two), seen)), Reply::Done(placed), "a repetition");
    let stale = refusal(ask(&mut state, place(&[one], None, seen)));
    assert_eq!(stale, Refusal::Stale { seen: seen.0, now: placed.0 });
    for (replicas, leader) in
        [(&[][..], None), (&[one, one], None), (&[one, joining], None), (&[one], Some(two))]
    {
        let reply = ask(&mut state, place(replicas, leader, placed));
        assert!(matches!(refusal(reply), Refusal::Placement { .. }), "{replicas:?}");
    }
    let unknown = refusal(ask(&mut state, place(&[NodeId(9)], None, placed)));
    assert_eq!(unknown, Refusal::UnknownNode(NodeId(9)));
    ask(&mut state, Action::SetNodeState { node: one, state: NodeState::Draining });
    let held = ask(&mut state, Action::SetNodeState { node: one, state: NodeState::Removed });
    assert_eq!(refusal(held), Refusal::HoldsShards { node: one, shards: 1 });
    let kept = ask(&mut state, place(&[one, two], Some(one), placed));
    assert!(matches!(kept, Reply::Done(_)), "a draining node keeps what it has");
}

#[test]
fn values_are_put_on_condition() {
    let mut state = founded(1);
    let put = |value: Option<&[u8]>, seen| Action::Put {
        namespace: "rules".to_owned(),
        key: "a".to_owned(),
        value: value.map(<[u8]>::to_vec),
        seen,
    };
    let Reply::Done(first) = ask(&mut state, put(Some(b"x"), Some(Epoch(0)))) else { panic!("refused") };
    assert_eq!(state.value("rules", "a").map(|value| value.epoch), Some(first));
    let stale = refusal(ask(&mut state, put(Some(b"y"), Some(Epoch(0)))));
    assert_eq!(stale, Refusal::Stale { seen: 0, now: first.0 });
    ask(&mut state, put(Some(b"y"), Some(first)));
    assert_eq!(
        state.values("rules").map(|(key, value)| (key, value.bytes.as_slice())).last(),
        Some(("a", &b"y"[..]))
    );
    ask(&mut state, put(None, None));
    assert_eq!(state.value("rules", "a"), None);
    let long = Action::Put { namespace: "n".repeat(513), key: String::new(), value: None, seen: None };
    assert!(matches!(refusal(ask(&mut state, long)), Refusal::TooLong { .. }));
}

#[test]
fn every_change_is_remembered_and_refusals_are_not() {
    let mut state = founded(1);
    register(&mut state, 1);
    ask(&mut state, Action::SetReplication { replication: 9 });
    ask(&mut state, Action::SetReplication { replication: 3 });
    ask(&mut state, Action::SetSetting { key: "retention".to_owned(), value: Some("30d".to_owned()) });
    let changes: Vec<_> = state.changes().map(|c| (c.epoch.0, c.author.as_str(), c.what.as_str())).collect();
    assert_eq!(changes.len(), 3);
    assert_eq!(changes[1], (2, "ana", "n1 registered from 10.0.0.1:7777"));
    assert_eq!(changes[2], (3, "ana", "setting retention is 30d"));
    for number in 0..2100 {
        ask(&mut state, Action::SetSetting { key: "n".to_owned(), value: Some(number.to_string()) });
    }
    assert_eq!(state.changes().count(), 2000);
    assert_eq!(state.changes().last().map(|change| change.epoch), Some(state.epoch()));
}

#[test]
fn the_bytes_of_a_command_are_frozen() {
    let action = Action::SetNodeState { node: NodeId(300), state: NodeState::Draining };
    let command = Command { author: "ana".to_owned(), at_ms: -1, action };
    assert_eq!(command.encode(), [1, 3, b'a', b'n', b'a', 1, 2, 0xac, 2, 2]);
    assert_eq!(Command::decode(&command.encode()), Ok(command));
    assert_eq!(Reply::Done(Epoch(5)).encode(), [1, 0, 5]);
    assert!(Command::decode(&[2, 0]).expect_err("newer").to_string().contains("version 2"));
}

fn action() -> impl Strategy<Value = Action> {
    let state = prop_oneof![
        Just(NodeState::Active),
        Just(NodeState::Draining),
        Just(NodeState::Dead),
        Just(NodeState::Removed)
    ];
    let nodes = prop::collection::vec((0u64..6).prop_map(NodeId), 0..4);
    prop_oneof![
        (0u128..6).prop_map(registration),
        ((0u64..6), state).prop_map(|(node, state)| Action::SetNodeState { node: NodeId(node), state }),
        (0u16..5, nodes, prop::option::of((0u64..6).prop_map(NodeId)), 0u64..30).prop_map(
            |(shard, replicas, leader, seen)| Action::Place {
                shard: ShardId(shard),
                replicas,
                leader,
                seen: Epoch(seen)
            }
        ),
        (0u8..9).prop_map(|replication| Action::SetReplication { replication }),
        ("[ab]", prop::option::of("[xy]")).prop_map(|(key, value)| Action::SetSetting { key, value }),
        ("[ab]", "[ab]", any::<Option<Vec<u8>>>(), prop::option::of(0u64..30)).prop_map(
            |(namespace, key, value, seen)| Action::Put { namespace, key, value, seen: seen.map(Epoch) }
        ),
    ]
}

proptest! {
    #[test]
    fn states_keep_their_invariants(actions in prop::collection::vec(action(), 0..60)) {
        let mut state = founded(4);
        let mut numbers = std::collections::HashMap::new();
        for action in actions {
            let before = state.clone();
            let bytes = Command { author: String::new(), at_ms: 0, action }.encode();
            let reply = state.apply(Command::decode(&bytes).expect("reads its own"));
            prop_assert_eq!(Reply::decode(&reply.encode()), Ok(reply.clone()));
            match reply {
                Reply::Refused(_) => prop_assert_eq!(&state, &before),
                Reply::Done(epoch) | Reply::Registered(_, epoch) => {
                    prop_assert_eq!(epoch, state.epoch());
                    prop_assert!(epoch.0 == before.epoch().0 + 1 || state == before);
                }
            }
            for node in state.nodes() {
                prop_assert_eq!(*numbers.entry(node.identity).or_insert(node.id), node.id);
            }
            for shard in state.shards() {
                for replica in &shard.replicas {
                    let node = state.node(*replica).expect("a known node");
                    prop_assert_ne!(node.state, NodeState::Removed);
                }
                prop_assert!(shard.leader.is_none_or(|leader| shard.replicas.contains(&leader)));
            }
            prop_assert_eq!(State::decode(&state.encode()), Ok(state.clone()));
        }
    }

    #[test]
    fn decoding_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        let _ = (State::decode(&bytes), Command::decode(&bytes), Reply::decode(&bytes));
    }
}
