"""EMR clusters: the calls that are made, against botocore's own model of the API.

This shows that requests and answers have the API's form. It shows nothing of AWS itself.
"""

from __future__ import annotations

from typing import Any

import boto3
import pytest
from botocore.stub import ANY, Stubber

from fraud_platform.adapters.spark.clusters.emr import EmrProvider
from fraud_platform.adapters.spark.clusters.provider import Cluster, ClusterSize
from fraud_platform.errors import ClusterError, Outage
from fraud_platform.settings import Settings

SIZE, NAME, FLOW = ClusterSize(4, 2, "4g"), "fraud-cluster-1", "j-1ABCDEFGHIJKL"


@pytest.fixture
def api() -> Any:
    client = boto3.client(
        "emr", region_name="eu-west-1", aws_access_key_id="k", aws_secret_access_key="s"
    )
    with Stubber(client) as stub:
        yield client, stub
        stub.assert_no_pending_responses()


def provider(client: Any, **chosen: Any) -> EmrProvider:
    return EmrProvider(client, Settings(**chosen), sleep=lambda seconds: None)


def listed(stub: Stubber, *names: str) -> None:
    found = [{"Id": FLOW, "Name": name} for name in names]
    stub.add_response("list_clusters", {"Clusters": found}, {"ClusterStates": ANY})


def described(stub: Stubber, state: str, step: str, reason: str = "") -> None:
    listed(stub, NAME)
    status = {"State": state, "StateChangeReason": {"Message": reason}}
    cluster = {"Id": FLOW, "Status": status, "MasterPublicDnsName": "ip-10-0-0-7.internal"}
    stub.add_response("describe_cluster", {"Cluster": cluster}, {"ClusterId": FLOW})
    steps = [{"Name": "spark-connect", "Status": {"State": step}}]
    stub.add_response("list_steps", {"Steps": steps}, {"ClusterId": FLOW})


def test_a_cluster_is_asked_for_by_name_once_and_ends_with_its_step(api: Any) -> None:
    client, stub = api
    emr = provider(client, emr_subnet="subnet-7", spark_token_file="unused")
    request = emr.request(NAME, SIZE)
    assert request["Instances"]["KeepJobFlowAliveWhenNoSteps"] is False
    assert request["Instances"]["TerminationProtected"] is False
    (step,) = request["Steps"]
    assert step["ActionOnFailure"] == "TERMINATE_CLUSTER"
    assert step["HadoopJarStep"]["Args"][:2] == ["timeout", "300m"]
    listed(stub)
    stub.add_response("run_job_flow", {"JobFlowId": FLOW}, request)
    emr.create(NAME, SIZE)
    listed(stub, "another", NAME)
    emr.create(NAME, SIZE)


def test_it_is_ready_once_its_connect_server_runs(api: Any) -> None:
    client, stub = api
    described(stub, "BOOTSTRAPPING", "PENDING")
    assert "BOOTSTRAPPING" in str(provider(client).look(NAME, SIZE))
    described(stub, "RUNNING", "RUNNING")
    assert provider(client).look(NAME, SIZE) == Cluster(NAME, "sc://ip-10-0-0-7.internal:15002")


def test_one_that_cannot_start_is_said_with_amazons_reason(api: Any) -> None:
    client, stub = api
    described(stub, "TERMINATED_WITH_ERRORS", "CANCELLED", "no capacity in eu-west-1b")
    with pytest.raises(ClusterError, match="no capacity in eu-west-1b"):
        provider(client).look(NAME, SIZE)
    described(stub, "RUNNING", "FAILED")
    with pytest.raises(ClusterError, match="found the step FAILED"):
        provider(client).look(NAME, SIZE)


def test_deleting_terminates_until_it_is_gone(api: Any) -> None:
    client, stub = api
    for _ in range(2):
        listed(stub, NAME)
        stub.add_response("terminate_job_flows", {}, {"JobFlowIds": [FLOW]})
        listed(stub, NAME)
    listed(stub)
    provider(client).delete(NAME)


def test_what_aws_refuses_is_an_outage_with_its_reason(api: Any) -> None:
    client, stub = api
    stub.add_client_error("list_clusters", "AccessDeniedException", "not authorized", 403)
    with pytest.raises(Outage, match=r"not authorized.*FRAUD_EMR_REGION"):
        provider(client).living()
