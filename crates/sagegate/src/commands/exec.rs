//! `sagegate exec`: a command inside a subnet.

use std::ffi::OsString;
use std::process::ExitCode;

use super::Installation;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The subnet, subnet-….
    #[arg(long, value_name = "SUBNET")]
    subnet: String,
    /// A security group of its network interface; may be given several times. The VPC's default
    /// group, if none is given.
    #[arg(long = "security-group", value_name = "GROUP")]
    groups: Vec<String>,
    /// Whose credentials it gets: `user/NAME`, `role/NAME` or an ARN. The root user's, if it is not
    /// given.
    #[arg(long = "as", value_name = "PRINCIPAL")]
    principal: Option<String>,
    #[command(flatten)]
    installation: Installation,
    /// The program and its arguments. A shell, if there is none.
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn run(_: Arguments) -> anyhow::Result<ExitCode> {
    anyhow::bail!(
        "exec needs the network namespaces of Linux; here the VPC is a model: `sagegate endpoints` \
         lists the addresses that stand for its endpoints"
    )
}

/// Becomes the command. This process has one thread until then.
#[cfg(target_os = "linux")]
pub(crate) fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    use anyhow::Context;
    use std::io::ErrorKind;
    use std::os::unix::process::CommandExt;

    let (entered, namespace) = linux::ask(&arguments)?;
    let directory = &arguments.installation.data;
    linux::join(&entered, &namespace, directory).context("the subnet cannot be entered")?;
    let mut words = arguments.command.into_iter();
    let program = words.next().or_else(|| std::env::var_os("SHELL")).unwrap_or("/bin/sh".into());
    let mut command = std::process::Command::new(&program);
    command.args(words);
    linux::set_environment(&mut command, &entered);
    // Only comes back if it could not be done.
    let error = command.exec();
    eprintln!("sagegate: {}: {error}", program.display());
    // As shells have it.
    Ok(ExitCode::from(if error.kind() == ErrorKind::NotFound { 127 } else { 126 }))
}

#[cfg(target_os = "linux")]
mod linux {
    use std::fs;
    use std::path::Path;
    use std::process::Command;

    use anyhow::{Context, bail};
    use sagegate_fabric::join::Files;
    use sagegate_fabric::{Namespace, frame};
    use sagegate_server::connect;

    use super::Arguments;
    use crate::exec::{Answer, Ask, Entered, SOCKET};
    use crate::surroundings;

    const RESOLVER: &str = "/etc/resolv.conf";
    const SWITCH: &str = "/etc/nsswitch.conf";
    /// Where nscd answers for the machine's names.
    const CACHES: [&str; 2] = ["/run/nscd", "/var/run/nscd"];

    /// Asks the server for a place in the subnet.
    pub(super) fn ask(arguments: &Arguments) -> anyhow::Result<(Entered, Namespace)> {
        let stream = connect(&arguments.installation.data, SOCKET)?;
        let ask = Ask {
            subnet: arguments.subnet.clone(),
            groups: arguments.groups.clone(),
            principal: arguments.principal.clone(),
        };
        frame::write(&stream, &ask, &[])?;
        match frame::read::<Answer>(&stream)? {
            Some((Answer::Entered(entered), descriptors)) => {
                let mut descriptors = descriptors.into_iter();
                let net = descriptors.next().context("the server sent no namespace")?;
                Ok((entered, Namespace { net, user: descriptors.next() }))
            }
            Some((Answer::Refused(reason), _)) => bail!("{reason}"),
            None => bail!("the server went away"),
        }
    }

    pub(super) fn join(
        entered: &Entered,
        namespace: &Namespace,
        directory: &Path,
    ) -> anyhow::Result<()> {
        let mut instead = vec![(
            Path::new(RESOLVER),
            surroundings::resolver(&entered.name_servers, &entered.search),
        )];
        if let Ok(text) = fs::read_to_string(SWITCH) {
            instead.push((Path::new(SWITCH), switch(&text)));
        }
        let empty = CACHES.iter().map(Path::new).collect();
        let files = Files { instead, empty, scratch: directory };
        Ok(sagegate_fabric::join::join(namespace, &files)?)
    }

    /// Names are asked of files and DNS alone: other sources know the machine's network.
    fn switch(text: &str) -> String {
        let mut lines: Vec<&str> =
            text.lines().filter(|line| !line.trim_start().starts_with("hosts:")).collect();
        lines.push("hosts: files dns");
        lines.join("\n") + "\n"
    }

    /// The clients' own variables for trust, credentials and region. What led elsewhere is taken out:
    /// endpoints, profiles, proxies.
    pub(super) fn set_environment(command: &mut Command, entered: &Entered) {
        for (name, _) in std::env::vars_os() {
            let leads_away = name.to_str().is_some_and(|name| {
                let lower = name.to_ascii_lowercase();
                name.starts_with("AWS_ENDPOINT_URL")
                    || ["http_proxy", "https_proxy", "all_proxy"].contains(&&*lower)
            });
            if leads_away {
                command.env_remove(name);
            }
        }
        for name in
            ["AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN", "AWS_PROFILE", "AWS_DEFAULT_PROFILE"]
        {
            command.env_remove(name);
        }
        // What profiles say about endpoints would lead elsewhere as well.
        command.env("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true");
        command.env("AWS_ACCESS_KEY_ID", &entered.access_key_id);
        command.env("AWS_SECRET_ACCESS_KEY", &entered.secret_access_key);
        command.env("AWS_REGION", &entered.region).env("AWS_DEFAULT_REGION", &entered.region);
        for name in surroundings::TRUST {
            command.env(name, &entered.authority);
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn only_files_and_dns_are_asked_for_names() {
            let text = "passwd: files\nhosts: files resolve [!UNAVAIL=return] dns\n";
            assert_eq!(switch(text), "passwd: files\nhosts: files dns\n");
            assert_eq!(switch(""), "hosts: files dns\n");
        }
    }
}
