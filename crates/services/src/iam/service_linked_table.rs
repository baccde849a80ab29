//! Which services have a service-linked role: its name, its policy, and whether it may have a
//! custom suffix. Names and policies are those that AWS answers with (each service's guide, "Using
//! service-linked roles"); every policy is among [`super::aws_managed`], which a test holds.

/// A service-linked role as its service defines it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Template {
    /// The service principal.
    pub service: &'static str,
    /// The role's name, without a suffix.
    pub role_name: &'static str,
    /// The name of the AWS managed policy under `/aws-service-role/`.
    pub policy: &'static str,
    /// Whether a custom suffix is allowed, so that there can be several.
    pub suffix: bool,
}

/// The template of a service.
#[must_use]
pub fn of(service: &str) -> Option<Template> {
    ALL.iter().find(|(known, ..)| *known == service).map(|(service, role_name, policy)| Template {
        service,
        role_name,
        policy,
        suffix: WITH_SUFFIX.contains(service),
    })
}

/// The services that allow a custom suffix.
const WITH_SUFFIX: &[&str] = &["autoscaling.amazonaws.com"];

/// Service principal, role name, policy name.
const ALL: &[(&str, &str, &str)] = &[
    // SageMaker
    (
        "sagemaker.amazonaws.com",
        "AWSServiceRoleForAmazonSageMakerNotebooks",
        "AmazonSageMakerNotebooksServiceRolePolicy",
    ),
    (
        "hyperpod.sagemaker.amazonaws.com",
        "AWSServiceRoleForSageMakerHyperPod",
        "AmazonSageMakerHyperPodServiceRolePolicy",
    ),
    // License Manager and Marketplace
    (
        "license-manager.amazonaws.com",
        "AWSServiceRoleForAWSLicenseManagerRole",
        "AWSLicenseManagerServiceRolePolicy",
    ),
    (
        "license-manager.master-account.amazonaws.com",
        "AWSServiceRoleForAWSLicenseManagerMasterAccountRole",
        "AWSLicenseManagerMasterAccountRolePolicy",
    ),
    (
        "license-manager.member-account.amazonaws.com",
        "AWSServiceRoleForAWSLicenseManagerMemberAccountRole",
        "AWSLicenseManagerMemberAccountRolePolicy",
    ),
    (
        "license-manager-linux-subscriptions.amazonaws.com",
        "AWSServiceRoleForAWSLicenseManagerLinuxSubscriptionsService",
        "AWSLicenseManagerLinuxSubscriptionsServiceRolePolicy",
    ),
    (
        "license-manager-user-subscriptions.amazonaws.com",
        "AWSServiceRoleForAWSLicenseManagerUserSubscriptionsService",
        "AWSLicenseManagerUserSubscriptionsServiceRolePolicy",
    ),
    (
        "license-management.marketplace.amazonaws.com",
        "AWSServiceRoleForMarketplaceLicenseManagement",
        "AWSMarketplaceLicenseManagementServiceRolePolicy",
    ),
    (
        "purchase-orders.marketplace.amazonaws.com",
        "AWSServiceRoleForMarketplacePurchaseOrders",
        "AWSMarketplacePurchaseOrdersServiceRolePolicy",
    ),
    (
        "deployment.marketplace.amazonaws.com",
        "AWSServiceRoleForMarketplaceDeployment",
        "AWSMarketplaceDeploymentServiceRolePolicy",
    ),
    // Application Auto Scaling
    (
        "sagemaker.application-autoscaling.amazonaws.com",
        "AWSServiceRoleForApplicationAutoScaling_SageMakerEndpoint",
        "AWSApplicationAutoscalingSageMakerEndpointPolicy",
    ),
    (
        "dynamodb.application-autoscaling.amazonaws.com",
        "AWSServiceRoleForApplicationAutoScaling_DynamoDBTable",
        "AWSApplicationAutoscalingDynamoDBTablePolicy",
    ),
    (
        "ecs.application-autoscaling.amazonaws.com",
        "AWSServiceRoleForApplicationAutoScaling_ECSService",
        "AWSApplicationAutoscalingECSServicePolicy",
    ),
    (
        "lambda.application-autoscaling.amazonaws.com",
        "AWSServiceRoleForApplicationAutoScaling_LambdaConcurrency",
        "AWSApplicationAutoscalingLambdaConcurrencyPolicy",
    ),
    (
        "rds.application-autoscaling.amazonaws.com",
        "AWSServiceRoleForApplicationAutoScaling_RDSCluster",
        "AWSApplicationAutoscalingRDSClusterPolicy",
    ),
    // Others that stand around a workspace
    ("autoscaling.amazonaws.com", "AWSServiceRoleForAutoScaling", "AutoScalingServiceRolePolicy"),
    ("batch.amazonaws.com", "AWSServiceRoleForBatch", "BatchServiceRolePolicy"),
    ("cloudtrail.amazonaws.com", "AWSServiceRoleForCloudTrail", "CloudTrailServiceRolePolicy"),
    ("ecs.amazonaws.com", "AWSServiceRoleForECS", "AmazonECSServiceRolePolicy"),
    ("eks.amazonaws.com", "AWSServiceRoleForAmazonEKS", "AmazonEKSServiceRolePolicy"),
    (
        "eks-nodegroup.amazonaws.com",
        "AWSServiceRoleForAmazonEKSNodegroup",
        "AWSServiceRoleForAmazonEKSNodegroup",
    ),
    (
        "eks-fargate.amazonaws.com",
        "AWSServiceRoleForAmazonEKSForFargate",
        "AmazonEKSForFargateServiceRolePolicy",
    ),
    ("elasticache.amazonaws.com", "AWSServiceRoleForElastiCache", "ElastiCacheServiceRolePolicy"),
    (
        "elasticfilesystem.amazonaws.com",
        "AWSServiceRoleForAmazonElasticFileSystem",
        "AmazonElasticFileSystemServiceRolePolicy",
    ),
    (
        "elasticloadbalancing.amazonaws.com",
        "AWSServiceRoleForElasticLoadBalancing",
        "AWSElasticLoadBalancingServiceRolePolicy",
    ),
    (
        "opensearchservice.amazonaws.com",
        "AWSServiceRoleForAmazonOpenSearchService",
        "AmazonOpenSearchServiceRolePolicy",
    ),
    ("rds.amazonaws.com", "AWSServiceRoleForRDS", "AmazonRDSServiceRolePolicy"),
    ("ssm.amazonaws.com", "AWSServiceRoleForAmazonSSM", "AmazonSSMServiceRolePolicy"),
    ("sso.amazonaws.com", "AWSServiceRoleForSSO", "AWSSSOServiceRolePolicy"),
    ("spot.amazonaws.com", "AWSServiceRoleForEC2Spot", "AWSEC2SpotServiceRolePolicy"),
    (
        "replication.ecr.amazonaws.com",
        "AWSServiceRoleForECRReplication",
        "ECRReplicationServiceRolePolicy",
    ),
    (
        "pullthroughcache.ecr.amazonaws.com",
        "AWSServiceRoleForECRPullThroughCache",
        "AWSECRPullThroughCache_ServiceRolePolicy",
    ),
    (
        "lakeformation.amazonaws.com",
        "AWSServiceRoleForLakeFormationDataAccess",
        "LakeFormationDataAccessServiceRolePolicy",
    ),
    ("kafka.amazonaws.com", "AWSServiceRoleForKafka", "KafkaServiceRolePolicy"),
    (
        "ram.amazonaws.com",
        "AWSServiceRoleForResourceAccessManager",
        "AWSResourceAccessManagerServiceRolePolicy",
    ),
    (
        "transitgateway.amazonaws.com",
        "AWSServiceRoleForVPCTransitGateway",
        "AWSVPCTransitGatewayServiceRolePolicy",
    ),
    ("shield.amazonaws.com", "AWSServiceRoleForAWSShield", "AWSShieldServiceRolePolicy"),
];

#[cfg(test)]
mod tests {
    use super::super::aws_managed;
    use super::*;

    #[test]
    fn every_policy_is_known_and_only_for_service_linked_roles() {
        for (service, role_name, policy) in ALL {
            let policy = aws_managed::by_name(policy).unwrap_or_else(|| panic!("{policy}"));
            assert_eq!(policy.path, "/aws-service-role/", "{service}");
            assert!(role_name.len() <= 64);
            assert_eq!(of(service).unwrap().role_name, *role_name);
        }
        assert!(of("example.amazonaws.com").is_none());
    }
}
