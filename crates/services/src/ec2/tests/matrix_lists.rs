//! The part of the matrix that is about prefix lists.

use sagegate_api::ec2 as api;

use super::managed_lists::{list, list_input};
use super::matrix::{Case, case, listing};
use super::named;
use super::permissions::ARN;
use crate::ec2::managed_prefix_list::create::CreateManagedPrefixList;
use crate::ec2::managed_prefix_list::describe::{
    DescribeManagedPrefixLists, GetManagedPrefixListAssociations, GetManagedPrefixListEntries,
};
use crate::ec2::managed_prefix_list::modify::{
    ModifyManagedPrefixList, RestoreManagedPrefixListVersion,
};
use crate::ec2::managed_prefix_list::remove::DeleteManagedPrefixList;
use crate::testing::House;

/// Cases in the order in which they must be made.
pub(super) fn cases(house: &House) -> Vec<Case<'_>> {
    const RENAMED: &str = r#"{"ForAllValues:StringEquals":{"ec2:Attribute":"PrefixListName"},"StringEquals":{"ec2:Attribute/PrefixListName":"other"}}"#;
    let on = |id: &str| format!("{ARN}:prefix-list/{id}");
    let id = list(house, 2, &["10.0.0.0/8"]);
    let of_aws = "arn:aws:ec2:us-west-2:aws:prefix-list/pl-68a54001";
    vec![
        listing::<DescribeManagedPrefixLists>(house, "ec2:DescribeManagedPrefixLists"),
        case::<CreateManagedPrefixList>(
            house,
            vec![
                ("ec2:CreateManagedPrefixList", on("*"), ""),
                (
                    "ec2:CreateTags",
                    on("*"),
                    r#"{"StringEquals":{"ec2:CreateAction":"CreateManagedPrefixList"}}"#,
                ),
            ],
            api::CreateManagedPrefixListRequest {
                tag_specifications: named("prefix-list", "k", "v"),
                ..list_input(1, &[])
            },
        ),
        case::<GetManagedPrefixListEntries>(
            house,
            vec![("ec2:GetManagedPrefixListEntries", of_aws.to_owned(), "")],
            api::GetManagedPrefixListEntriesRequest {
                prefix_list_id: "pl-68a54001".into(),
                ..Default::default()
            },
        ),
        case::<GetManagedPrefixListAssociations>(
            house,
            vec![("ec2:GetManagedPrefixListAssociations", on(&id), "")],
            api::GetManagedPrefixListAssociationsRequest {
                prefix_list_id: id.clone(),
                ..Default::default()
            },
        ),
        case::<ModifyManagedPrefixList>(
            house,
            vec![("ec2:ModifyManagedPrefixList", on(&id), RENAMED)],
            api::ModifyManagedPrefixListRequest {
                prefix_list_id: id.clone(),
                prefix_list_name: Some("other".into()),
                ..Default::default()
            },
        ),
        case::<RestoreManagedPrefixListVersion>(
            house,
            vec![("ec2:RestoreManagedPrefixListVersion", on(&id), "")],
            api::RestoreManagedPrefixListVersionRequest {
                prefix_list_id: id.clone(),
                previous_version: 1,
                current_version: 1,
                dry_run: None,
            },
        ),
        case::<DeleteManagedPrefixList>(
            house,
            vec![("ec2:DeleteManagedPrefixList", on(&id), "")],
            api::DeleteManagedPrefixListRequest { prefix_list_id: id.clone(), dry_run: None },
        ),
    ]
}
