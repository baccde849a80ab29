//! What happens to resources after the call that asked for it: Pending becomes InService, Updating
//! becomes InService, Deleting becomes gone, each when its work is done and not before (SPEC 2.5,
//! life-cycles). Here are the reaction that has all such work done, and the work on domains, user
//! profiles and spaces; that on images and notebook instances is in [`resource_work`].
//!
//! An operation notes its work in [`records::WORK`] in its own transaction; [`advance`] does what is
//! noted. Whoever runs it may crash at any moment: work and its note go in one transaction, so what
//! was not done is still noted.

use std::future::Future;
use std::pin::Pin;

use sagegate_api::sagemaker::{
    AppNetworkAccessType, AppSecurityGroupManagement, DomainStatus, HomeEfsFileSystemCreation,
    RetentionType, SpaceStatus, UserProfileStatus,
};
use sagegate_gate::env::{Env, Time};
use sagegate_gate::{AccountId, Fault, Gate, Reaction, Region, Scope, Within};
use sagegate_store::{Read, Table, Tx};

use super::ids::{DomainId, profile_arn};
use super::mount_targets;
use super::neighbours;
use super::own_calls::OwnCalls;
use super::records::{
    self, DOMAIN_NAMES, DOMAINS, DOORS, DomainRecord, EFS_UIDS, HOME_FILE_SYSTEMS,
    HomeFileSystemRecord, KEPT_HOMES, PROFILES, ProfileRecord, WORK,
};
use super::resource_work::{self, RESOURCE_WORK};
use super::security_groups;
use super::sessions;
use super::settings::Given;
use super::shapes::Word;
use super::site::{self, Site};
use super::space_records::{self, Owner, SPACE_WORK, SPACES, SpaceRecord};
use crate::binding::Binding;

/// The user ids of home directories begin behind this number (SPEC R1.16 shows the first).
const LAST_SYSTEM_UID: u64 = 200_000;

/// Brings SageMaker's resources forward whenever work on them has been noted. Put it behind whatever binds
/// the doors, so that a domain or a
/// notebook instance is in service only once its door is open.
#[derive(Debug, Default, Clone, Copy)]
pub struct Lifecycle;

impl Reaction for Lifecycle {
    fn tables(&self) -> &'static [&'static str] {
        const TABLES: &[&str] = &[WORK.name(), RESOURCE_WORK.name()];
        TABLES
    }

    fn react<'a>(&'a self, gate: &'a Gate) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        Box::pin(async move {
            do_noted(gate, WORK, advance).await;
            let on_resource = |tx: &mut Tx, within: Within<'_>, work: &Work| {
                resource_work::advance(tx, within.env(), work)
            };
            do_noted(gate, RESOURCE_WORK, on_resource).await;
        })
    }
}

/// Does what is noted in a table, each piece in a transaction of its own.
async fn do_noted(
    gate: &Gate,
    table: Table<Work, ()>,
    advance: impl Fn(&mut Tx, Within<'_>, &Work) -> Result<(), Fault> + Send + Sync,
) {
    let pieces =
        gate.store().snapshot().map_err(Fault::from).and_then(|state| noted_in(&state, table));
    let pieces = match pieces {
        Ok(pieces) => pieces,
        Err(fault) => {
            return gate.report(&format!("the work in {} cannot be read", table.name()), &fault);
        }
    };
    let mut written = Vec::new();
    for piece in &pieces {
        // What fails stays noted, is tried again with the next work or at the next start, and keeps
        // nothing else from being done.
        match gate.commit_within(|tx, within| advance(tx, within, piece)).await {
            Ok(done) => written.extend(done.tables),
            Err(fault) => {
                let (.., on, part) = piece;
                gate.report(&format!("the work on {on} {part} failed"), &fault);
            }
        }
    }
    // That work is done is no news to whoever did it.
    written.retain(|written| *written != table.name());
    gate.tell(&written).await;
}

/// The work that is noted in a table.
pub(super) fn noted_in(state: &dyn Read, table: Table<Work, ()>) -> Result<Vec<Work>, Fault> {
    Ok(table.scan(state, &(), None, usize::MAX)?.into_iter().map(|(work, ())| work).collect())
}

/// The account and region of a piece of work.
pub(super) fn scope_of((account, region, ..): &Work) -> Result<Scope, Fault> {
    Ok(Scope {
        account: AccountId::parse(account).map_err(|it| Fault::internal(it.to_string()))?,
        region: Region::parse(region).map_err(|it| Fault::internal(it.to_string()))?,
    })
}

/// A piece of work, as its key in [`WORK`] or [`RESOURCE_WORK`] has it: the account, the region, and
/// what it is on.
pub type Work = (String, String, String, String);

/// All work on domains, user profiles and spaces that is noted.
///
/// # Errors
/// A [`Fault`] of the store.
pub fn noted(state: &dyn Read) -> Result<Vec<Work>, Fault> {
    noted_in(state, WORK)
}

/// Does a piece of work, unless it was done meanwhile.
///
/// # Errors
/// A [`Fault`] of the store; nothing is written then.
pub fn advance(tx: &mut Tx, within: Within<'_>, work: &Work) -> Result<(), Fault> {
    let (account, region, domain, profile) = work;
    let key = (account.as_str(), region.as_str(), domain.as_str(), profile.as_str());
    if !WORK.contains(tx, &key)? {
        return Ok(());
    }
    let scope = scope_of(work)?;
    let id = DomainId::parse(domain)
        .ok_or_else(|| Fault::internal("work is noted for what is no domain"))?;
    if profile.is_empty() {
        if let Some(record) = records::domain(tx, &scope, &id)? {
            advance_domain(tx, within, &scope, record)?;
        }
    } else if let Some(space) = profile.strip_prefix(SPACE_WORK) {
        if let Some(record) = space_records::space(tx, &scope, &id, space)? {
            advance_space(tx, within.now(), &scope, record)?;
        }
    } else if let Some(record) = records::profile(tx, &scope, &id, profile)? {
        advance_profile(tx, within.now(), &scope, record)?;
    }
    WORK.delete(tx, &key);
    Ok(())
}

fn advance_domain(
    tx: &mut Tx,
    within: Within<'_>,
    scope: &Scope,
    mut record: DomainRecord,
) -> Result<(), Fault> {
    let cause = record.cause.clone();
    let within = cause.as_deref().map_or(within, |id| within.for_request(id));
    let domain = record.id.clone();
    let mut own = OwnCalls::new(within, scope, &domain);
    let now = within.now();
    let updating = match record.status.0 {
        // One that failed comes back when what became of its address has changed: nothing else
        // notes work for it but its deletion.
        DomainStatus::Pending | DomainStatus::Failed => false,
        DomainStatus::Updating => true,
        DomainStatus::Deleting => {
            let removed = own.or_undo(tx, |own, tx| remove_domain(tx, own, scope, &record));
            return match removed {
                Err(fault) if fault.sender => {
                    record.status = Word(DomainStatus::DeleteFailed);
                    record.failure_reason = Some(fault.message);
                    record.modified = now;
                    Ok(records::put_domain(tx, scope, &record)?)
                }
                removed => removed,
            };
        }
        _ => return Ok(()),
    };
    if !updating {
        let reason = match site::public_door(tx, &Site::read(tx)?, &record)? {
            Binding::Bound => None,
            // Work is noted again when it has been tried.
            Binding::Waiting => return Ok(()),
            Binding::Failed(reason) => Some(reason),
        };
        if let Some(reason) = reason {
            record.status = Word(DomainStatus::Failed);
            record.failure_reason =
                Some(format!("The address of the domain's URL cannot be opened: {reason}"));
            record.modified = now;
            return Ok(records::put_domain(tx, scope, &record)?);
        }
    }
    let (status, reason) = match equip(tx, &mut own, (within.env(), now), scope, &mut record) {
        Ok(()) => (DomainStatus::InService, None),
        Err(fault) if fault.sender => {
            let status = if updating { DomainStatus::UpdateFailed } else { DomainStatus::Failed };
            (status, Some(fault.message))
        }
        Err(fault) => return Err(fault),
    };
    record.status = Word(status);
    record.failure_reason = reason;
    record.modified = now;
    Ok(records::put_domain(tx, scope, &record)?)
}

/// Makes what the domain lacks of what its settings ask for.
fn equip(
    tx: &mut Tx,
    own: &mut OwnCalls<'_>,
    (env, now): (&Env, Time),
    scope: &Scope,
    record: &mut DomainRecord,
) -> Result<(), Fault> {
    let groups = Given::default()
        .and(Some(&record.default_user_settings.0))
        .and(record.default_space_settings.as_ref().map(|it| &it.0))
        .and(record.domain_settings.as_ref().map(|it| &it.0))
        .security_groups();
    // The network may have changed between the call and this moment. Of a domain that was in service
    // only what its update named has to be there, and that call has seen to it.
    if record.status.0 == DomainStatus::Pending {
        neighbours::check_network(
            tx,
            scope,
            record.vpc_id.as_deref(),
            &record.subnet_ids,
            &groups,
        )?;
    }
    let arn = record.id.arn(scope);
    let efs = record.home_efs_creation.0 == HomeEfsFileSystemCreation::Enabled;
    if efs && record.home_efs_id.is_none() {
        let id = format!("fs-{}", env.hex(17));
        let file_system = HomeFileSystemRecord {
            domain_arn: arn,
            created: now,
            kms_key_id: record.kms_key_id.clone(),
            retained: false,
            mount_targets: Vec::new(),
        };
        let key = (scope.account.as_str(), scope.region.as_str(), id.as_str());
        HOME_FILE_SYSTEMS.put(tx, &key, &file_system)?;
        record.home_efs_id = Some(id);
        // Profiles and spaces from before the file system get their home directories now.
        let inside = (scope.account.as_str(), scope.region.as_str(), record.id.as_str());
        for (_, mut profile) in PROFILES.scan(tx, &inside, None, usize::MAX)? {
            if profile.efs_uid.is_none() {
                profile.efs_uid = Some(next_uid(tx, scope, &record.id)?);
                records::put_profile(tx, scope, &profile)?;
            }
        }
        for (_, mut space) in SPACES.scan(tx, &inside, None, usize::MAX)? {
            if space.efs_uid.is_none() {
                space.efs_uid = Some(next_uid(tx, scope, &record.id)?);
                space_records::put_space(tx, scope, &space)?;
            }
        }
    }
    let Some(vpc) = record.vpc_id.clone() else { return Ok(()) };
    if efs && record.nfs_groups.is_none() {
        // Of groups that are not all made, none may stay: nobody would remove them.
        let groups =
            own.or_undo(tx, |own, tx| security_groups::make_nfs_groups(tx, own, &vpc, &record.id))?;
        record.nfs_groups = Some(groups);
    }
    mount_targets::settle(tx, own, (env, now), scope, record)?;
    let vpc_only = record.app_network_access_type.0 == AppNetworkAccessType::VpcOnly;
    let managed = record.app_security_group_management.map(|it| it.0)
        == Some(AppSecurityGroupManagement::Service);
    let studio_server = record
        .domain_settings
        .as_ref()
        .is_some_and(|it| it.0.r_studio_server_pro_domain_settings.is_some());
    if vpc_only && managed && studio_server && record.boundary_group.is_none() {
        let group = own.or_undo(tx, |own, tx| {
            security_groups::make_boundary_group(tx, own, &vpc, &record.id)
        })?;
        record.boundary_group = Some(group);
    }
    Ok(())
}

fn remove_domain(
    tx: &mut Tx,
    own: &mut OwnCalls<'_>,
    scope: &Scope,
    record: &DomainRecord,
) -> Result<(), Fault> {
    let (account, region) = (scope.account.as_str(), scope.region.as_str());
    let key = (account, region, record.id.as_str());
    let keep = record.retention.map(|it| it.0) != Some(RetentionType::Delete);
    if let Some(id) = &record.home_efs_id {
        let key = (account, region, id.as_str());
        if let Some(mut file_system) = HOME_FILE_SYSTEMS.get(tx, &key)? {
            mount_targets::remove(tx, own, scope, &mut file_system)?;
            file_system.retained = true;
            HOME_FILE_SYSTEMS.put(tx, &key, &file_system)?;
        }
        if !keep {
            HOME_FILE_SYSTEMS.delete(tx, &key);
            for ((.., home), ()) in KEPT_HOMES.scan(tx, &key, None, usize::MAX)? {
                KEPT_HOMES.delete(tx, &(account, region, id.as_str(), home.as_str()));
            }
        }
    }
    // The groups of a file system that is kept stay with it.
    let nfs = record.nfs_groups.iter().filter(|_| !keep).flat_map(|(one, two)| [one, two]);
    let groups: Vec<&String> = nfs.chain(&record.boundary_group).collect();
    security_groups::remove(tx, own, scope, &groups)?;
    DOORS.delete(tx, record.door.to_string().as_str());
    EFS_UIDS.delete(tx, &key);
    DOMAIN_NAMES.delete(tx, &(account, region, record.name.to_ascii_lowercase().as_str()));
    records::put_tags(tx, scope, &record.id.arn(scope), std::collections::BTreeMap::new())?;
    DOMAINS.delete(tx, &key);
    Ok(())
}

fn advance_profile(
    tx: &mut Tx,
    now: Time,
    scope: &Scope,
    mut record: ProfileRecord,
) -> Result<(), Fault> {
    match record.status.0 {
        UserProfileStatus::Pending => {
            let domain = records::domain(tx, scope, &record.domain)?;
            if domain.is_some_and(|it| it.home_efs_id.is_some()) && record.efs_uid.is_none() {
                record.efs_uid = Some(next_uid(tx, scope, &record.domain)?);
            }
        }
        UserProfileStatus::Updating => {}
        UserProfileStatus::Deleting => {
            let arn = profile_arn(scope, &record.domain, &record.name);
            records::put_tags(tx, scope, &arn, std::collections::BTreeMap::new())?;
            let name = record.name.to_ascii_lowercase();
            let (account, region) = (scope.account.as_str(), scope.region.as_str());
            let owner = Owner::Profile { name: record.name, incarnation: record.incarnation };
            if record.efs_uid.is_some() {
                keep_home(tx, scope, &record.domain, &owner)?;
            }
            space_records::forget_deleted(tx, scope, &record.domain, &owner, now, true)?;
            PROFILES.delete(tx, &(account, region, record.domain.as_str(), name.as_str()));
            return Ok(());
        }
        _ => return Ok(()),
    }
    record.status = Word(UserProfileStatus::InService);
    record.modified = now;
    Ok(records::put_profile(tx, scope, &record)?)
}

fn advance_space(
    tx: &mut Tx,
    now: Time,
    scope: &Scope,
    mut record: SpaceRecord,
) -> Result<(), Fault> {
    match record.status.0 {
        SpaceStatus::Pending => {
            let domain = records::domain(tx, scope, &record.domain)?;
            if domain.is_some_and(|it| it.home_efs_id.is_some()) && record.efs_uid.is_none() {
                record.efs_uid = Some(next_uid(tx, scope, &record.domain)?);
            }
        }
        SpaceStatus::Updating => {}
        SpaceStatus::Deleting => {
            let owner = record.as_owner();
            if record.efs_uid.is_some() && record.is_on_file_system() {
                keep_home(tx, scope, &record.domain, &owner)?;
            }
            let reason = "The space was deleted.";
            sessions::end_of_space(tx, scope, &record, now, reason)?;
            space_records::forget_deleted(tx, scope, &record.domain, &owner, now, true)?;
            let arn = record.arn(scope);
            records::put_tags(tx, scope, &arn, std::collections::BTreeMap::new())?;
            let name = record.name.to_ascii_lowercase();
            let (account, region) = (scope.account.as_str(), scope.region.as_str());
            SPACES.delete(tx, &(account, region, record.domain.as_str(), name.as_str()));
            return Ok(());
        }
        _ => return Ok(()),
    }
    record.status = Word(SpaceStatus::InService);
    record.modified = now;
    Ok(space_records::put_space(tx, scope, &record)?)
}

/// Has the domain's file system keep the home of an owner who is deleted: it takes away the access to
/// the files, not the files (SageMaker API, DeleteUserProfile). They go with the file system.
fn keep_home(tx: &mut Tx, scope: &Scope, domain: &DomainId, owner: &Owner) -> Result<(), Fault> {
    let file_system = records::domain(tx, scope, domain)?.and_then(|it| it.home_efs_id);
    let Some(id) = file_system else { return Ok(()) };
    let (account, region) = (scope.account.as_str(), scope.region.as_str());
    Ok(KEPT_HOMES.put(tx, &(account, region, id.as_str(), owner.home().as_str()), &())?)
}

/// The next user id in a domain's file system. Ids are never given twice, so that no profile finds
/// the files of a deleted one.
fn next_uid(tx: &mut Tx, scope: &Scope, domain: &DomainId) -> Result<u64, Fault> {
    let key = (scope.account.as_str(), scope.region.as_str(), domain.as_str());
    let uid = EFS_UIDS.get(tx, &key)?.unwrap_or(LAST_SYSTEM_UID) + 1;
    EFS_UIDS.put(tx, &key, &uid)?;
    Ok(uid)
}
