//! What the keeper makes of notebook instances.

use std::sync::Arc;
use std::time::Duration;

use sagegate_api::sagemaker::NotebookInstanceStatus as Status;
use sagegate_services::sagemaker::notebook_records::{NOTEBOOKS, NotebookRecord, RUNS, RunRecord};
use sagegate_services::sagemaker::shapes::Word;
use serde_json::{Value, json};

use super::common::{PATIENCE, run};
use super::keeper::{House, ask_for_credentials};

impl House {
    /// A notebook instance called `nb` whose run has this id.
    async fn notebook(&self, run: &str, more: Value) {
        let now = self.gate.env().now();
        let mut value = json!({
            "name": "nb", "incarnation": "one", "created": now, "modified": now,
            "status": "Pending", "instance_type": "ml.t3.medium",
            "role": "arn:aws:iam::123456789012:role/exec", "ip_address_type": "ipv4",
            "direct_internet": "Enabled", "volume_gb": 5, "root_access": "Enabled",
            "platform": "notebook-al2023-v1", "imds": "1", "door": "127.66.0.9",
            "label": "nb-abcd", "run": {"id": run, "ready": true},
        });
        let members = value.as_object_mut().unwrap();
        members.extend(more.as_object().unwrap().clone());
        self.put_notebook(serde_json::from_value(value).unwrap()).await;
    }

    async fn put_notebook(&self, record: NotebookRecord) {
        let (account, region) = (self.scope.account.clone(), self.scope.region.clone());
        let at = RunRecord { account, region, name: "nb".to_owned() };
        let key = (self.scope.account.as_str(), self.scope.region.as_str(), "nb");
        let put = self.gate.transact(|tx| {
            RUNS.put(tx, record.run.id.as_str(), &at)?;
            NOTEBOOKS.put(tx, &key, &record)?;
            Ok(())
        });
        put.await.unwrap();
    }

    fn seen(&self) -> NotebookRecord {
        let state = self.gate.store().snapshot().unwrap();
        let key = (self.scope.account.as_str(), self.scope.region.as_str(), "nb");
        NOTEBOOKS.get(&state, &key).unwrap().unwrap()
    }

    async fn until_notebook(&self, status: Status) -> NotebookRecord {
        let reached = async {
            while self.seen().status.0 != status {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let done = tokio::time::timeout(PATIENCE, reached).await;
        assert!(done.is_ok(), "{:?}", self.seen());
        self.seen()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notebook_instance_runs_with_its_role_and_without_keys_of_studio() {
    let Some(mut house) = House::new().await else { return };
    let scripts = json!({
        "id": "notebook-1", "ready": true,
        "on_create": "ZWNobyBjcmVhdGVkID4+IGxpZmU=", "on_start": "ZWNobyBzdGFydGVkID4+IGxpZmU=",
    });
    house.notebook("notebook-1", json!({ "run": scripts })).await;
    let served = house.until_notebook(Status::InService).await;
    assert!(served.has_served);
    let runtime = Arc::clone(house.keeper.runtime());
    assert_eq!(run(&*runtime, "notebook-1", "cat ~/life").await, "created\nstarted\n");
    // What scripts written for AWS keep persists.
    let keep = "cd /home/ec2-user/SageMaker && echo kept > note && cat life";
    assert_eq!(run(&*runtime, "notebook-1", keep).await, "created\nstarted\n");
    let environment = run(&*runtime, "notebook-1", "env | cut -d= -f1 | sort").await;
    assert!(!environment.contains("SAGEMAKER"), "{environment}");
    let metadata =
        run(&*runtime, "notebook-1", "cat /opt/ml/metadata/resource-metadata.json").await;
    let arn = "arn:aws:sagemaker:us-west-2:123456789012:notebook-instance/nb";
    let told: Value = serde_json::from_str(&metadata).unwrap();
    assert_eq!(told, json!({ "ResourceArn": arn, "ResourceName": "nb" }));

    // Its credentials are its role's.
    let ask = ask_for_credentials("$AWS_CONTAINER_AUTHORIZATION_TOKEN");
    let said = run(&*runtime, "notebook-1", &ask).await;
    let given: Value = serde_json::from_str(said.split_once("\r\n\r\n").unwrap().1).unwrap();
    assert_eq!(given["RoleArn"], "arn:aws:iam::123456789012:role/exec");

    // Another keeper finds it as it is.
    house.restart().await;
    let runtime = Arc::clone(house.keeper.runtime());
    assert!(run(&*runtime, "notebook-1", &ask).await.starts_with("HTTP/1.1 200"));
    assert_eq!(house.seen().status.0, Status::InService);

    // A stop keeps the home, and a second start does not run what was for the first alone.
    let mut stopping = house.seen();
    stopping.status = Word(Status::Stopping);
    house.put_notebook(stopping).await;
    let mut again = house.until_notebook(Status::Stopped).await;
    assert_eq!(runtime.list().await.unwrap(), []);
    again.status = Word(Status::Pending);
    again.run.id = "notebook-2".to_owned();
    house.put_notebook(again).await;
    house.until_notebook(Status::InService).await;
    assert_eq!(run(&*runtime, "notebook-2", "cat ~/life").await, "created\nstarted\nstarted\n");
    let kept = run(&*runtime, "notebook-2", "cat /home/ec2-user/SageMaker/note ~/note").await;
    assert_eq!(kept, "kept\nkept\n");
    house.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_notebook_instance_cannot_have_is_told() {
    let Some(house) = House::new().await else { return };
    let more = json!({ "repositories": ["https://git.example.com/a.git"] });
    house.notebook("notebook-1", more).await;
    let failed = house.until_notebook(Status::Failed).await;
    let reason = failed.failure_reason.unwrap();
    assert!(reason.starts_with("The Git repository 'https://git.example.com/a.git' cannot be"));
    house.notebook("notebook-2", json!({ "accelerators": ["ml.eia2.medium"] })).await;
    let failed = house.until_notebook(Status::Failed).await;
    assert!(failed.failure_reason.unwrap().starts_with("The accelerator ml.eia2.medium cannot"));
    let broken = json!({ "id": "notebook-3", "ready": true, "on_start": "ZWNobyBvaDsgZXhpdCA3" });
    house.notebook("notebook-3", json!({ "run": broken })).await;
    let failed = house.until_notebook(Status::Failed).await;
    let reason = failed.failure_reason.unwrap();
    assert_eq!(reason, "The lifecycle script ended with exit code 7. It wrote: oh");
    assert_eq!(house.keeper.runtime().list().await.unwrap(), []);
    assert!(house.place.runtime().homes().await.unwrap().contains(&"notebook-one".to_owned()));
    house.end().await;
}
