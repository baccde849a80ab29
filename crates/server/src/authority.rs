//! The installation's own certificate authority: TLS for the names of AWS's services, where the
//! installation answers to them.
//!
//! What it vouches for is bounded twice: the authority's certificate names the domains that it may
//! speak for (RFC 5280, 4.2.1.10), so that whoever trusts it trusts it for nothing else; and a
//! listener has certificates for its own names alone.

use std::collections::HashMap;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    GeneralSubtree, IsCa, Issuer, KeyPair, KeyUsagePurpose, NameConstraints,
};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::{CertifiedKey, SigningKey};
use sagegate_gate::Env;
use sagegate_gate::env::Time;
use sagegate_network::endpoint_name::matches;

/// The key with its certificate, for the server alone.
const KEY_FILE: &str = "ca.key";
/// The certificate, for clients.
const CERTIFICATE_FILE: &str = "ca.pem";
/// The domains that the authority may speak for: AWS's, with everything below them.
const DOMAINS: [&str; 4] = ["amazonaws.com", "amazonaws.com.cn", "amazonaws.eu", "sagemaker.aws"];
const DAY: i64 = 24 * 60 * 60;
/// How long the authority's certificate is good: longer than an installation lasts, since it has to
/// be given to every client anew.
const AUTHORITY_DAYS: i64 = 20 * 365;
/// How long a listener's is: macOS takes none of more than 825 days.
const LISTENER_DAYS: i64 = 90;

/// Why there is no authority.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// A file cannot be read or written.
    #[error("the certificate authority in {path}: {error}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The key file has something else in it, or a certificate cannot be made.
    #[error("the certificate authority in {path}: {reason}")]
    Broken {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}

/// A certificate authority, and the certificates that it has made.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
    path: PathBuf,
    /// The key of all listeners, made anew by each start.
    key: KeyPair,
    signer: Arc<dyn SigningKey>,
    env: Env,
    minted: Mutex<HashMap<String, Minted>>,
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authority").field("path", &self.path).finish_non_exhaustive()
    }
}

/// A certificate of a name, and until when it is given out.
struct Minted {
    until: Time,
    certified: Arc<CertifiedKey>,
}

impl Authority {
    /// The authority of a data directory; made there, readable by its owner alone, where there is
    /// none. Of two that are made at the same time one remains, and both callers have that one.
    ///
    /// # Errors
    /// [`AuthorityError`].
    pub fn open(directory: &Path, env: &Env) -> Result<Self, AuthorityError> {
        let path = directory.join(KEY_FILE);
        let failed = |error| AuthorityError::Io { path: path.clone(), error };
        let text = match fs::read_to_string(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let fresh = make(env).map_err(|error| broken(&path, error))?;
                place(directory, &path, &fresh, env).map_err(failed)?;
                fs::read_to_string(&path).map_err(failed)?
            }
            read => read.map_err(failed)?,
        };
        let key = KeyPair::from_pem(&text).map_err(|error| broken(&path, error))?;
        let certificate = CertificateDer::from_pem_slice(text.as_bytes());
        let certificate = certificate.map_err(|error| broken(&path, error))?;
        let pem = text.find("-----BEGIN CERTIFICATE-----").and_then(|at| text.get(at..));
        let pem = pem.ok_or_else(|| broken(&path, "it has no certificate"))?.to_owned();
        drop(certificate);
        let told = directory.join(CERTIFICATE_FILE);
        if fs::read_to_string(&told).ok().as_deref() != Some(pem.as_str()) {
            let fresh = directory.join(format!("{CERTIFICATE_FILE}.{}", env.hex(12)));
            let written = fs::write(&fresh, &pem).and_then(|()| fs::rename(&fresh, &told));
            written.map_err(|error| AuthorityError::Io { path: told.clone(), error })?;
        }
        let own = KeyPair::generate().map_err(|error| broken(&path, error))?;
        let der = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(own.serialize_der()));
        let signer = aws_lc_rs::default_provider().key_provider.load_private_key(der);
        Ok(Self {
            issuer: Issuer::new(params_of_authority(env), key),
            pem,
            path: told,
            key: own,
            signer: signer.map_err(|error| broken(&path, error))?,
            env: env.clone(),
            minted: Mutex::default(),
        })
    }

    /// Where the certificate of a data directory is.
    #[must_use]
    pub fn place(directory: &Path) -> PathBuf {
        let path = directory.join(CERTIFICATE_FILE);
        // Clients may be anywhere.
        path.canonicalize().unwrap_or(path)
    }

    /// The certificate, to be trusted by clients, in PEM.
    #[must_use]
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// The file that has it.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// TLS for a listener that answers to the names that `names` gives when a connection begins
    /// (`*.` stands for one label). A client that calls another name, or none, is refused.
    pub(crate) fn config(
        self: &Arc<Self>,
        names: impl Fn() -> Vec<String> + Send + Sync + 'static,
    ) -> Result<Arc<ServerConfig>, rustls::Error> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(Chooser {
                authority: Arc::clone(self),
                names: Box::new(names),
            }));
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }

    /// The certificate for a name, or for all names with one label more (`*.…`).
    fn certified(&self, name: &str) -> Result<Arc<CertifiedKey>, rcgen::Error> {
        let now = self.env.now();
        let mut minted = self.minted.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(minted) = minted.get(name).filter(|it| now < it.until) {
            return Ok(Arc::clone(&minted.certified));
        }
        let mut params = CertificateParams::new(vec![name.to_owned()])?;
        params.distinguished_name = DistinguishedName::new();
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        valid(&mut params, now, LISTENER_DAYS);
        let certificate = params.signed_by(&self.key, &self.issuer)?;
        let chain = vec![certificate.der().clone()];
        let certified = Arc::new(CertifiedKey::new(chain, Arc::clone(&self.signer)));
        // What is out of date goes, so that endpoints that came and went leave nothing.
        minted.retain(|_, it| now < it.until);
        let until = now.plus_seconds(LISTENER_DAYS / 2 * DAY);
        minted.insert(name.to_owned(), Minted { until, certified: Arc::clone(&certified) });
        Ok(certified)
    }
}

fn broken(path: &Path, reason: impl ToString) -> AuthorityError {
    AuthorityError::Broken { path: path.to_owned(), reason: reason.to_string() }
}

/// A key and its certificate, in PEM.
fn make(env: &Env) -> Result<String, rcgen::Error> {
    let key = KeyPair::generate()?;
    let certificate = params_of_authority(env).self_signed(&key)?;
    Ok(format!("{}{}", key.serialize_pem(), certificate.pem()))
}

/// Puts a new key file where none is.
fn place(directory: &Path, path: &Path, text: &str, env: &Env) -> io::Result<()> {
    let fresh = directory.join(format!("{KEY_FILE}.{}", env.hex(12)));
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    // Unlike a rename this takes no other's place.
    let linked = match fs::hard_link(&fresh, path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        linked => linked,
    };
    fs::remove_file(&fresh)?;
    linked
}

fn params_of_authority(env: &Env) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "Sagegate local authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let subtree = |domain: &&str| GeneralSubtree::DnsName((*domain).to_owned());
    params.name_constraints = Some(NameConstraints {
        permitted_subtrees: DOMAINS.iter().map(subtree).collect(),
        excluded_subtrees: Vec::new(),
    });
    valid(&mut params, env.now(), AUTHORITY_DAYS);
    params
}

/// From yesterday, for clients whose clock is behind, for so many days.
fn valid(params: &mut CertificateParams, now: Time, days: i64) {
    let (from, to) = (now.plus_seconds(-DAY).iso8601(), now.plus_seconds(days * DAY).iso8601());
    let date = |text: &str| {
        let mut parts = text.split(['-', 'T']);
        let year = parts.next().and_then(|year| year.parse().ok());
        let mut small = || parts.next().and_then(|part| part.parse().ok());
        Some(rcgen::date_time_ymd(year?, small()?, small()?))
    };
    if let (Some(from), Some(to)) = (date(&from), date(&to)) {
        (params.not_before, params.not_after) = (from, to);
    }
}

/// Chooses the certificate of a listener by the name that the client calls (RFC 6066, section 3).
struct Chooser {
    authority: Arc<Authority>,
    names: Box<dyn Fn() -> Vec<String> + Send + Sync>,
}

impl std::fmt::Debug for Chooser {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Chooser")
    }
}

impl ResolvesServerCert for Chooser {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let called = hello.server_name()?;
        let name = (self.names)().into_iter().find(|name| matches(name, called))?;
        let certified = self.authority.certified(&name.to_ascii_lowercase());
        certified.inspect_err(|error| tracing::error!(%error, name, "no certificate")).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    use rustls::pki_types::ServerName;
    use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConnection};

    const API: &str = "api.sagemaker.us-west-2.amazonaws.com";

    fn authority(directory: &Path) -> Arc<Authority> {
        Arc::new(Authority::open(directory, &Env::system()).unwrap())
    }

    /// A handshake in memory: what the client says of it.
    fn shake(
        trusted: &Authority,
        server: &Arc<Authority>,
        names: &[&str],
        called: &str,
    ) -> Result<(), String> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let config = server.config(move || names.clone()).unwrap();
        let mut server = ServerConnection::new(config).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(trusted.pem().as_bytes()).unwrap()).unwrap();
        let provider = Arc::new(aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from(called.to_owned()).unwrap();
        let mut client = ClientConnection::new(Arc::new(config), name).unwrap();
        while client.is_handshaking() || server.is_handshaking() {
            let mut wire = Vec::new();
            client.write_tls(&mut wire).unwrap();
            server.read_tls(&mut wire.as_slice()).unwrap();
            let served = server.process_new_packets().map_err(|error| error.to_string());
            let mut wire = Vec::new();
            server.write_tls(&mut wire).unwrap();
            client.read_tls(&mut wire.as_slice()).unwrap();
            client.process_new_packets().map_err(|error| error.to_string())?;
            served?;
        }
        Ok(())
    }

    #[test]
    fn a_listener_answers_to_its_own_names_alone() {
        let directory = tempfile::tempdir().unwrap();
        let ours = authority(directory.path());
        let names = [API, "*.studio.us-west-2.sagemaker.aws"];
        assert_eq!(shake(&ours, &ours, &names, API), Ok(()));
        assert_eq!(shake(&ours, &ours, &names, "d-1.studio.us-west-2.sagemaker.aws"), Ok(()));
        for other in ["sts.us-west-2.amazonaws.com", "a.b.studio.us-west-2.sagemaker.aws"] {
            assert!(shake(&ours, &ours, &names, other).is_err(), "{other}");
        }
        let address = shake(&ours, &ours, &names, "10.0.0.4").unwrap_err();
        assert!(!address.is_empty());
    }

    #[test]
    fn the_authority_is_trusted_for_the_domains_of_aws_alone() {
        let directory = tempfile::tempdir().unwrap();
        let ours = authority(directory.path());
        for name in ["bank.example", "amazonaws.com.example"] {
            let refused = shake(&ours, &ours, &[name], name).unwrap_err();
            assert!(refused.contains("NameConstraint"), "{refused}");
        }
        let elsewhere = tempfile::tempdir().unwrap();
        let theirs = authority(elsewhere.path());
        assert!(shake(&theirs, &ours, &[API], API).is_err());
    }

    #[test]
    fn an_authority_stays_the_same_and_its_key_is_its_owners() {
        let directory = tempfile::tempdir().unwrap();
        let first = authority(directory.path());
        let again = authority(directory.path());
        assert_eq!(first.pem(), again.pem());
        assert_eq!(shake(&first, &again, &[API], API), Ok(()));
        let mode =
            |name: &str| fs::metadata(directory.path().join(name)).unwrap().permissions().mode();
        assert_eq!(mode(KEY_FILE) & 0o777, 0o600);
        assert_eq!(fs::read_to_string(first.path()).unwrap(), first.pem());
        assert!(!first.pem().contains("PRIVATE"));
        let names: Vec<_> = fs::read_dir(directory.path()).unwrap().flatten().collect();
        assert_eq!(names.len(), 2);
    }

    #[test]
    fn a_certificate_is_made_once_and_again_before_it_is_old() {
        let directory = tempfile::tempdir().unwrap();
        let clock =
            Arc::new(sagegate_gate::env::ManualClock::new(Time::from_millis(1_800_000_000_000)));
        let env = Env { clock: Arc::clone(&clock) as _, ..Env::system() };
        let ours = Authority::open(directory.path(), &env).unwrap();
        let first = ours.certified(API).unwrap();
        assert!(Arc::ptr_eq(&first, &ours.certified(API).unwrap()));
        clock.advance_millis(LISTENER_DAYS * DAY * 1_000 / 2);
        assert!(!Arc::ptr_eq(&first, &ours.certified(API).unwrap()));
    }

    #[test]
    fn a_broken_key_file_is_named() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join(KEY_FILE), "nothing").unwrap();
        let error = Authority::open(directory.path(), &Env::system()).unwrap_err().to_string();
        assert!(error.contains(KEY_FILE), "{error}");
    }
}
