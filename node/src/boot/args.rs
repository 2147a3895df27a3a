use clap::Args;
use plimsoll_cluster_config::{Error, LoadArgs, Settings};
use std::path::PathBuf;

/// Flags of `plimsoll start`. A flag wins over `PLIMSOLL_<SECTION>__<KEY>`, which wins over the file.
#[derive(Args, Clone, Debug, Default)]
#[command(after_help = "Examples:
  plimsoll start --data-dir d1
  plimsoll start --data-dir d2 --listen 127.0.0.1:7778 --join 127.0.0.1:7777
  plimsoll start --config plimsoll.toml
  PLIMSOLL_STORAGE__RETENTION=90d plimsoll start --data-dir d1")]
pub struct StartArgs {
    /// Folder for everything that the node keeps [default: plimsoll-data]
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Address that serves HTTP and gRPC [default: 127.0.0.1:7777]
    #[arg(long, value_name = "HOST:PORT")]
    pub listen: Option<String>,
    /// Address for other nodes, where they shall not use --listen
    #[arg(long, value_name = "HOST:PORT")]
    pub peer_listen: Option<String>,
    /// Address that other nodes and clients are told [default: that of --listen]
    #[arg(long, value_name = "HOST:PORT")]
    pub advertise: Option<String>,
    /// A node of the cluster to join: any one that answers; may be given several times
    #[arg(long, value_name = "HOST:PORT")]
    pub join: Vec<String>,
    /// Settings file (TOML); see `plimsoll config check`
    #[arg(long, value_name = "FILE", env = "PLIMSOLL_CONFIG")]
    pub config: Option<PathBuf>,
    /// Zone that this node shares a fate with
    #[arg(long, value_name = "NAME")]
    pub zone: Option<String>,
    /// Allow an address that other machines can reach, although nothing is encrypted or authenticated
    #[arg(long)]
    pub insecure: bool,
}

impl StartArgs {
    /// The settings that hold: file, then environment, then these flags.
    pub fn settings(&self) -> Result<Settings, Error> {
        let args = LoadArgs::new()
            .file(self.config.clone())
            .environment(std::env::vars())
            .flag("--data-dir", "node.data_dir", self.data_dir.as_ref().map(|d| d.display()))
            .flag("--listen", "node.listen", self.listen.as_ref())
            .flag("--peer-listen", "node.peer_listen", self.peer_listen.as_ref())
            .flag("--advertise", "node.advertise", self.advertise.as_ref())
            .flag("--zone", "node.zone", self.zone.as_ref())
            .flag("--insecure", "node.insecure", self.insecure.then_some(true));
        let joined = (!self.join.is_empty()).then(|| self.join.join(","));
        Settings::load(args.flag("--join", "node.join", joined))
    }
}
