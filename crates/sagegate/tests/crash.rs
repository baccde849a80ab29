//! Kills a real server a hundred times while clients write to every service that keeps state, and starts it again
//! over the same directory: what was acknowledged is there, what was acknowledged as deleted is not, and what was
//! found once stays found.
//!
//! STS keeps nothing: its part is that credentials handed out before a crash, long-term and temporary, are known
//! after it.

#[cfg(test)]
#[path = "../src/client/mod.rs"]
mod client;
#[cfg(test)]
#[path = "crash/ledger.rs"]
mod ledger;
#[cfg(test)]
#[path = "crash/server.rs"]
mod server;
#[cfg(test)]
#[path = "crash/writers.rs"]
mod writers;

#[cfg(test)]
mod crash {
    use std::collections::hash_map::RandomState;
    use std::hash::BuildHasher;
    use std::sync::Arc;

    use serde_json::json;

    use crate::ledger::Ledger;
    use crate::server::Server;
    use crate::writers::{Kind, Round, World};

    const ROUNDS: u64 = 100;

    /// A start that makes the directory, killed at any moment of that, is ended by the next one.
    #[test]
    fn a_first_start_that_is_cut_short_is_made_good() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (mut before, mut within) = (0, 0);
        for turn in 0..24_u64 {
            let directory = tempfile::tempdir().unwrap();
            let data = directory.path().join("data");
            for looks in [turn * 150, turn * 400] {
                Server::start_and_kill(&data, looks);
            }
            match (data.exists(), data.join("root-credentials.env").exists()) {
                (false, _) => before += 1,
                (true, false) => within += 1,
                (true, true) => {}
            }
            let first = Server::start(&data);
            let client = first.client();
            runtime.block_on(async {
                let call = async |name: &str| client.call(name, &json!({})).await.unwrap();
                let arn = call("sts.GetCallerIdentity").await["Arn"].clone();
                assert_eq!(arn, json!("arn:aws:iam::123456789012:root"));
                let keys = call("iam.ListAccessKeys").await;
                assert_eq!(keys["AccessKeyMetadata"].as_array().map(Vec::len), Some(1), "{keys}");
                let vpcs = call("ec2.DescribeVpcs").await;
                assert_eq!(vpcs["Vpcs"].as_array().map(Vec::len), Some(1), "{vpcs}");
                let subnets = call("ec2.DescribeSubnets").await;
                assert_eq!(subnets["Subnets"].as_array().map(Vec::len), Some(3), "{subnets}");
            });
        }
        println!(
            "killed {before} times before there was a directory, {within} times while it was made"
        );
    }

    #[test]
    fn nothing_acknowledged_is_lost() {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        runtime.unwrap().block_on(async {
            let directory = tempfile::tempdir().unwrap();
            let data = directory.path().join("data");
            Server::start_and_kill(&data, RandomState::new().hash_one(0) % 2_000);
            let server = Server::start(&data);
            let world = Arc::new(World::make(&server.client()).await);
            let mut ledgers: Vec<Ledger> = Kind::ALL.iter().map(|_| Ledger::default()).collect();
            let mut server = Some(server);
            let mut acknowledged = 0;
            for round in 0..ROUNDS {
                // Every eighth start is itself cut short.
                if round % 8 == 7 {
                    Server::start_and_kill(&data, RandomState::new().hash_one(round) % 60);
                }
                let running = match server.take() {
                    Some(first) => first,
                    None => Server::start(&data),
                };
                let client = running.client();
                for (kind, ledger) in Kind::ALL.into_iter().zip(&mut ledgers) {
                    world.check(&client, kind, ledger, round).await;
                }
                let target = 1 + RandomState::new().hash_one(round) % 60;
                let shared = Arc::new(Round::new(round, target));
                let tasks: Vec<_> = Kind::ALL
                    .into_iter()
                    .zip(std::mem::take(&mut ledgers))
                    .map(|(kind, ledger)| {
                        let (world, client, shared) =
                            (Arc::clone(&world), running.client(), Arc::clone(&shared));
                        tokio::spawn(
                            async move { world.write(&client, kind, ledger, &shared).await },
                        )
                    })
                    .collect();
                shared.reached().await;
                running.kill(&shared);
                for task in tasks {
                    ledgers.push(task.await.unwrap());
                }
                acknowledged += shared.acknowledged();
            }
            let running = Server::start(&data);
            let client = running.client();
            for (kind, ledger) in Kind::ALL.into_iter().zip(&mut ledgers) {
                world.check(&client, kind, ledger, ROUNDS).await;
            }
            println!("{ROUNDS} crashes, {acknowledged} acknowledged writes");
            assert!(acknowledged > ROUNDS * 5, "{acknowledged} writes are no test");
        });
    }
}
