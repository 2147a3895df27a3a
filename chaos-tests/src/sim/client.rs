//! A client: writes and reads at whoever leads, and remembers what it was told.

use super::invariants::reads;
use super::net::{Answer, Ask, Net};
use super::world::Shared;
use plimsoll_consensus::GroupId;
use plimsoll_model::{NodeId, ShardId};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::collections::BTreeMap;
use std::time::Duration;

const WRITE_LIMIT: Duration = Duration::from_secs(4);

struct Client {
    net: Net,
    world: Shared,
    random: StdRng,
    /// The host that answered for a shard last.
    leaders: BTreeMap<u16, usize>,
}

/// Works until it is told to stop.
pub async fn work(number: usize, world: Shared) -> turmoil::Result {
    let who = format!("c{number}");
    let random = StdRng::seed_from_u64(world.plan.seed ^ (number as u64 + 1) << 32);
    let mut client =
        Client { net: Net::new(who, world.clone()), world: world.clone(), random, leaders: BTreeMap::new() };
    let mut written = 0;
    while !world.is_stopping() {
        tokio::time::sleep(Duration::from_millis(client.random.random_range(5..80))).await;
        let shard = client.random.random_range(0..world.plan.shards);
        if client.random.random_bool(0.3) {
            client.read(shard).await;
        } else {
            written += 1;
            client.write(shard, (number as u64 + 1) << 40 | written).await;
        }
    }
    Ok(())
}

impl Client {
    fn host(&mut self, shard: u16) -> usize {
        let some = self.random.random_range(0..self.world.plan.hosts);
        self.leaders.get(&shard).copied().unwrap_or(some)
    }

    async fn write(&mut self, shard: u16, write: u64) {
        let group = GroupId::of_shard(ShardId(shard));
        let host = self.host(shard);
        self.world.invariants().acknowledged.submit(group, write);
        match self.net.ask_for(WRITE_LIMIT, host, &Ask::Write(shard, write)).await {
            Some(Answer::Count(_)) => {
                self.leaders.insert(shard, host);
                return;
            }
            Some(Answer::Refused(_)) => self.world.invariants().acknowledged.refuse(write),
            // It may have arrived: nothing can be said of it.
            _ => {}
        }
        self.leaders.remove(&shard);
    }

    async fn read(&mut self, shard: u16) {
        let group = GroupId::of_shard(ShardId(shard));
        // Any host may be asked, also one that was the leader once: it must not answer with old content.
        let host = if self.random.random_bool(0.5) {
            self.host(shard)
        } else {
            self.random.random_range(0..self.world.plan.hosts)
        };
        let by_asking = self.random.random_bool(0.3);
        let acknowledged = self.world.invariants().acknowledged.newest(group);
        if let Some(Answer::Count(seen)) =
            self.net.ask_for(WRITE_LIMIT, host, &Ask::Read(shard, by_asking)).await
        {
            let node = self.world.disk(host).identity().map_or(NodeId(0), |identity| identity.node);
            let how = if by_asking { "asking a majority" } else { "the lease" };
            self.world.check(reads::sees(group, node, seen, acknowledged, how));
            self.world.invariants().read();
        }
    }
}
