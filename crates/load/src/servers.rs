//! The servers that are compared, each with what the calls ask for.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::answer::Connection;
use crate::sign::{Call, Signer};

const IAM: &str = "2010-05-08";
const EC2: &str = "2016-11-15";
/// Longest wait for a server, or for something that it makes.
const PATIENCE: Duration = Duration::from_secs(60);

/// A process that ends when this is dropped.
pub(crate) struct Process(Child);

impl Process {
    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A server's side of one call.
pub(crate) struct Side {
    pub(crate) server: &'static str,
    pub(crate) address: SocketAddr,
    pub(crate) call: Call,
    /// Its process, or the parent of its processes.
    pub(crate) process: u32,
}

/// A call, on each server that has it; Sagegate first.
pub(crate) struct Contest {
    pub(crate) sides: Vec<Side>,
}

/// All servers, running.
pub(crate) struct Servers {
    pub(crate) contests: Vec<Contest>,
    pub(crate) signer: Signer,
    _sagegate: Sagegate,
    _nginx: Option<Nginx>,
    _moto: Option<Process>,
}

impl Servers {
    pub(crate) fn start(
        sagegate: &Path,
        nginx: Option<&Path>,
        moto: Option<&Path>,
        only: Option<&str>,
    ) -> anyhow::Result<Self> {
        let running = Sagegate::start(sagegate, &[])?;
        let root = running.root()?;
        let (signer, mut calls) = furnish(running.address, &root).context("sagegate")?;
        calls.retain(|call| only.is_none_or(|only| call.name.contains(only)));
        let mut contests = Vec::new();
        let mut lengths = Vec::new();
        for call in calls {
            let mut connection = Connection::new(running.address);
            lengths.push(ask(&mut connection, running.address, &signer, &call)?.len());
            let side = Side {
                server: "sagegate",
                address: running.address,
                call,
                process: running.process.id(),
            };
            contests.push(Contest { sides: vec![side] });
        }
        let nginx = nginx.map(|program| Nginx::start(program, &lengths)).transpose()?;
        if let Some(nginx) = &nginx {
            for (contest, address) in contests.iter_mut().zip(&nginx.addresses) {
                let call = contest.sides.first().context("a side")?.call.clone();
                contest.sides.push(Side {
                    server: "nginx",
                    address: *address,
                    call,
                    process: nginx.process.id(),
                });
            }
        }
        let moto = moto.map(|program| start_moto(program, &mut contests)).transpose()?;
        Ok(Self { contests, signer, _sagegate: running, _nginx: nginx, _moto: moto })
    }
}

/// A running Sagegate and its data directory.
pub(crate) struct Sagegate {
    pub(crate) process: Process,
    pub(crate) address: SocketAddr,
    data: PathBuf,
    _directory: Option<TempDir>,
}

impl Sagegate {
    /// Starts one over a fresh directory.
    pub(crate) fn start(program: &Path, arguments: &[&str]) -> anyhow::Result<Self> {
        let directory = tempfile::tempdir()?;
        let mut started = Self::start_in(program, directory.path(), arguments)?;
        started._directory = Some(directory);
        Ok(started)
    }

    /// Starts one over a directory.
    pub(crate) fn start_in(
        program: &Path,
        directory: &Path,
        arguments: &[&str],
    ) -> anyhow::Result<Self> {
        let data = directory.join("data");
        let mut child = Command::new(program)
            .args(["serve", "--listen", "127.0.0.1:0", "--data"])
            .arg(&data)
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| program.display().to_string())?;
        let output = child.stdout.take();
        let process = Process(child);
        let mut lines = BufReader::new(output.context("its output")?);
        let mut line = String::new();
        lines.read_line(&mut line)?;
        let address = line.trim().rsplit_once("http://").map(|(_, address)| address.parse());
        let address =
            address.with_context(|| format!("no address in its first line {line:?}"))??;
        // What it says later must find a reader.
        thread::spawn(move || std::io::copy(&mut lines, &mut std::io::sink()));
        Ok(Self { process, address, data, _directory: None })
    }

    /// The root user's credentials.
    pub(crate) fn root(&self) -> anyhow::Result<Signer> {
        let file = self.data.join("root-credentials.env");
        let text = std::fs::read_to_string(&file).with_context(|| file.display().to_string())?;
        let value = |name: &str| {
            let found = text.lines().find_map(|line| line.split_once(&format!("{name}=")));
            found.map(|(_, value)| value.trim_matches('"')).with_context(|| name.to_owned())
        };
        Ok(Signer::new(value("AWS_ACCESS_KEY_ID")?, value("AWS_SECRET_ACCESS_KEY")?))
    }
}

/// One call, outside of the measurement.
pub(crate) fn ask(
    connection: &mut Connection,
    to: SocketAddr,
    signer: &Signer,
    call: &Call,
) -> anyhow::Result<String> {
    let answer = connection.call(&signer.request(to, call, 0)?)?;
    let body = String::from_utf8_lossy(answer.body).into_owned();
    ensure!(answer.status == 200, "{}: {} {body}", call.name, answer.status);
    Ok(body)
}

/// The text of the first such element.
fn element<'a>(xml: &'a str, name: &str) -> anyhow::Result<&'a str> {
    let rest = xml.split_once(&format!("<{name}>")).map(|(_, rest)| rest);
    let text = rest.and_then(|rest| rest.split_once(&format!("</{name}>"))).map(|(text, _)| text);
    text.with_context(|| format!("no {name} in {xml}"))
}

const TRUST: &str = r#"{"Version": "2012-10-17", "Statement": [{"Effect": "Allow",
    "Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole"}]}"#;

/// What the measured caller is allowed: three statements, as in the benchmark of decisions.
const POLICY: &str = r#"{"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Action": ["sts:Get*", "iam:GetRole"], "Resource": "*"},
    {"Effect": "Allow", "Action": "sagemaker:Describe*", "Resource": "*",
     "Condition": {"IpAddress": {"aws:SourceIp": "127.0.0.0/8"}}},
    {"Effect": "Deny", "Action": "*", "Resource": "*",
     "Condition": {"StringNotEquals": {"aws:RequestedRegion": ["us-west-2", "us-east-1"]}}}]}"#;

/// Makes what the calls ask for, and a user who may call them and nothing else.
fn furnish(to: SocketAddr, root: &Signer) -> anyhow::Result<(Signer, Vec<Call>)> {
    let mut connection = Connection::new(to);
    let mut ask = |call: &Call| ask(&mut connection, to, root, call);
    ask(&Call::form("iam:CreateUser", "iam", IAM, &[("UserName", "bench")]))?;
    ask(&Call::form(
        "iam:PutUserPolicy",
        "iam",
        IAM,
        &[("UserName", "bench"), ("PolicyName", "bench"), ("PolicyDocument", POLICY)],
    ))?;
    let key = ask(&Call::form("iam:CreateAccessKey", "iam", IAM, &[("UserName", "bench")]))?;
    let signer = Signer::new(element(&key, "AccessKeyId")?, element(&key, "SecretAccessKey")?);
    let calls = furnish_calls(&mut ask)?;
    Ok((signer, calls))
}

/// Makes the role and the domain that the calls ask for.
fn furnish_calls(
    ask: &mut dyn FnMut(&Call) -> anyhow::Result<String>,
) -> anyhow::Result<Vec<Call>> {
    let role = [("RoleName", "studio"), ("AssumeRolePolicyDocument", TRUST)];
    let role = ask(&Call::form("iam:CreateRole", "iam", IAM, &role))?;
    let role = element(&role, "Arn")?.to_owned();
    let vpcs = ask(&Call::form("ec2:DescribeVpcs", "ec2", EC2, &[]))?;
    let vpc = element(&vpcs, "vpcId")?.to_owned();
    let subnets = ask(&Call::form("ec2:DescribeSubnets", "ec2", EC2, &[]))?;
    let subnet = element(&subnets, "subnetId")?.to_owned();
    let wanted = json!({
        "DomainName": "bench", "AuthMode": "IAM", "VpcId": vpc, "SubnetIds": [subnet],
        "DefaultUserSettings": {"ExecutionRole": role},
    });
    let domain = Call::json("CreateDomain", "sagemaker", "SageMaker.CreateDomain", &wanted);
    let made: Value = serde_json::from_str(&ask(&domain)?)?;
    let arn = made.get("DomainArn").and_then(Value::as_str).context("DomainArn")?;
    let id = arn.rsplit_once('/').context("a domain's ARN")?.1;
    let describe = Call::json(
        "sagemaker:DescribeDomain",
        "sagemaker",
        "SageMaker.DescribeDomain",
        &json!({ "DomainId": id }),
    );
    let begun = Instant::now();
    loop {
        let state: Value = serde_json::from_str(&ask(&describe)?)?;
        match state.get("Status").and_then(Value::as_str) {
            Some("InService") => break,
            Some("Pending") if begun.elapsed() < PATIENCE => {
                thread::sleep(Duration::from_millis(20));
            }
            status => bail!("the domain is {status:?}"),
        }
    }
    Ok(vec![
        Call::form("sts:GetCallerIdentity", "sts", "2011-06-15", &[]),
        Call::form("iam:GetRole", "iam", IAM, &[("RoleName", "studio")]),
        describe,
    ])
}

/// nginx, with one port for each call.
struct Nginx {
    addresses: Vec<SocketAddr>,
    program: PathBuf,
    directory: TempDir,
    process: Process,
}

impl Nginx {
    /// Answers a constant of as many bytes as Sagegate answers. It is this machine's limit, so it
    /// gets what speeds it up: a process for each processor, no log, connections without end.
    fn start(program: &Path, lengths: &[usize]) -> anyhow::Result<Self> {
        let directory = tempfile::tempdir()?;
        let place = directory.path().display();
        let mut addresses = Vec::new();
        let mut servers = String::new();
        for length in lengths {
            let address = free_address()?;
            let body = "x".repeat(*length);
            writeln!(
                servers,
                "server {{ listen {address} backlog=512; location / {{ default_type text/xml; \
                 return 200 '{body}'; }} }}"
            )?;
            addresses.push(address);
        }
        let configuration = directory.path().join("nginx.conf");
        std::fs::write(
            &configuration,
            format!(
                "daemon off; worker_processes auto; pid {place}/pid; error_log stderr crit;\n\
                 events {{ worker_connections 512; }}\n\
                 http {{ access_log off; keepalive_requests 1000000000; keepalive_timeout 1h;\n\
                 tcp_nodelay on; client_body_temp_path {place}/a; proxy_temp_path {place}/b;\n\
                 fastcgi_temp_path {place}/c; uwsgi_temp_path {place}/d; scgi_temp_path {place}/e;\n\
                 {servers}}}\n"
            ),
        )?;
        let child = Command::new(program)
            .arg("-c")
            .arg(&configuration)
            .spawn()
            .with_context(|| program.display().to_string())?;
        let started =
            Self { addresses, program: program.to_owned(), directory, process: Process(child) };
        for address in &started.addresses {
            until_reached(*address).context("nginx")?;
        }
        Ok(started)
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // Asked to stop by its own command, it stops its workers as well.
        let configuration = self.directory.path().join("nginx.conf");
        let asked = Command::new(&self.program)
            .args(["-q", "-s", "stop", "-c"])
            .arg(configuration)
            .status();
        if asked.is_ok_and(|status| status.success()) {
            let _ = self.process.0.wait();
        }
    }
}

/// Starts moto's server, makes the same things there, and adds its side where it has the call.
fn start_moto(program: &Path, contests: &mut [Contest]) -> anyhow::Result<Process> {
    let address = free_address()?;
    let child = Command::new(program)
        .args(["-H", &address.ip().to_string(), "-p", &address.port().to_string()])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .with_context(|| program.display().to_string())?;
    let process = Process(child);
    until_reached(address).context("moto")?;
    // It believes every signature.
    let signer = Signer::new("AKIAIOSFODNN7EXAMPLE", "none");
    let mut connection = Connection::new(address);
    let mut ask = |call: &Call| ask(&mut connection, address, &signer, call);
    let calls = furnish_calls(&mut ask).context("moto")?;
    for contest in contests {
        let of = |call: &&Call| contest.sides.iter().any(|side| side.call.name == call.name);
        if let Some(call) = calls.iter().find(of).cloned() {
            contest.sides.push(Side { server: "moto", address, call, process: process.id() });
        }
    }
    Ok(process)
}

/// An address that is free now.
fn free_address() -> anyhow::Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

fn until_reached(address: SocketAddr) -> anyhow::Result<()> {
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE {
        if TcpStream::connect(address).is_ok() {
            return Ok(());
        }
        thread::sleep(Duration::from_millis(20));
    }
    bail!("{address} does not answer")
}
