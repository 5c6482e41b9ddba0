"""The publisher's access to the DynamoDB table."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, PartialCredentialsError

from db_init.errors import LoadError
from shared_schemas.online_items import FEATURE_SET, Item, TableAddress, put_if_newer

AT_ONCE = 32
_ATTEMPTS = 6
_NOT_NEWER = "ConditionalCheckFailedException"
_MISSING = "ResourceNotFoundException"
_SCOPED = "scoped to a valid region"
_CREDENTIALS = (
    "DynamoDB refuses the credentials, or they have expired. Provide others in the environment or in files, and go on."
)
_REASONS = {
    _MISSING: "There is no table {table} in {region}. Make it with --create-table, or name another.",
    "ExpiredTokenException": _CREDENTIALS,
    "UnrecognizedClientException": _CREDENTIALS,
    "InvalidSignatureException": _CREDENTIALS,
    "MissingAuthenticationTokenException": _CREDENTIALS,
    "AccessDeniedException": "DynamoDB does not allow this to these credentials, on the table {table} in {region}.",
    "ProvisionedThroughputExceededException": "DynamoDB takes no more for now. What is not published is marked; go on later.",
    "ThrottlingException": "DynamoDB takes no more for now. What is not published is marked; go on later.",
    "RequestLimitExceeded": "DynamoDB takes no more for now. What is not published is marked; go on later.",
}


class TableError(LoadError):
    """DynamoDB refuses or fails a request. Items that were written before stay."""


class TableMissing(TableError):
    """The table does not exist, or does not exist any more."""


class Table:
    """The table. Its methods raise TableError if a request fails."""

    def __init__(self, client: Any, address: TableAddress) -> None:
        self._client = client
        self._address = address

    async def create(self) -> bool:
        """Create the table if it does not exist. Return whether it was created."""
        with self._told():
            try:
                await self._client.create_table(
                    TableName=self._address.table,
                    AttributeDefinitions=[{"AttributeName": "client_id", "AttributeType": "N"}],
                    KeySchema=[{"AttributeName": "client_id", "KeyType": "HASH"}],
                    BillingMode="PAY_PER_REQUEST",
                )
            except self._client.exceptions.ResourceInUseException:
                return False
            await self._client.get_waiter("table_exists").wait(
                TableName=self._address.table, WaiterConfig={"Delay": 1, "MaxAttempts": 60}
            )
            await self._let_tombstones_go()
        return True

    async def _let_tombstones_go(self) -> None:
        try:
            await self._client.update_time_to_live(
                TableName=self._address.table, TimeToLiveSpecification={"Enabled": True, "AttributeName": "gone"}
            )
        except ClientError as error:
            # Some emulators do not support this operation. Tombstones then stay in the table.
            if error.response.get("Error", {}).get("Code") != "UnknownOperationException":
                raise

    @property
    def name(self) -> str:
        return f"{self._address.table} in {self._address.region}"

    async def exists(self) -> bool:
        """Whether the table exists. It reads an item, so it needs no permission to describe or create tables."""
        try:
            await self.filled()
        except TableMissing:
            return False
        return True

    async def filled(self) -> bool:
        """Whether the table has the feature set, which is published last."""
        with self._told():
            answer = await self._client.get_item(
                TableName=self._address.table, Key={"client_id": {"N": str(FEATURE_SET)}}, ConsistentRead=True
            )
        return "Item" in answer

    async def put(self, item: Item, *, whatever_is_there: bool = False) -> bool:
        """Write an item. Return False if the table has the same or a later revision.

        `whatever_is_there`: replace any revision.
        """
        request = put_if_newer(self._address.table, item)
        if whatever_is_there:
            request = {"TableName": self._address.table, "Item": item}
        with self._told():
            try:
                await self._client.put_item(**request)
            except ClientError as error:
                if error.response.get("Error", {}).get("Code") == _NOT_NEWER:
                    return False
                raise
        return True

    async def stored(self) -> AsyncIterator[list[tuple[int, int]]]:
        """Yield pages of all clients in the table that have a vector, with their revisions."""
        asked: dict[str, Any] = {
            "TableName": self._address.table,
            "ProjectionExpression": "client_id, rev, gone",
            "ConsistentRead": True,
        }
        while True:
            with self._told():
                answer = await self._client.scan(**asked)
            if "Items" not in answer:  # a truncated answer is parsed as one without items
                raise TableError("The answer of DynamoDB was incomplete. Run the command again to continue.")
            items = [one for one in answer["Items"] if "gone" not in one and one["client_id"]["N"] != str(FEATURE_SET)]
            yield [(int(one["client_id"]["N"]), int(one["rev"]["N"])) for one in items]
            if "LastEvaluatedKey" not in answer:
                return
            asked["ExclusiveStartKey"] = answer["LastEvaluatedKey"]

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Translate foreign errors into TableError, without their messages, which may hold keys and values."""
        try:
            yield
        except ClientError as error:
            said = error.response.get("Error", {})
            code = str(said.get("Code", ""))
            if _SCOPED in str(said.get("Message", "")):
                raise TableError(
                    f"The endpoint is not in the region {self._address.region}: correct one of them."
                ) from error
            kind = TableMissing if code == _MISSING else TableError
            text = _REASONS.get(code, "DynamoDB refuses the request ({code}).")
            raise kind(text.format(table=self._address.table, region=self._address.region, code=code)) from error
        except (NoCredentialsError, PartialCredentialsError) as error:
            raise TableError(
                "There are no credentials for DynamoDB, in the environment, in files, or given by the platform."
            ) from error
        except (TimeoutError, BotoCoreError, OSError, ValueError) as error:
            raise TableError(
                f"DynamoDB does not answer ({type(error).__name__}). What is not published is marked; go on when it is back."
            ) from error


@asynccontextmanager
async def open_table(address: TableAddress) -> AsyncIterator[Table]:
    config = AioConfig(
        retries={"mode": "standard", "total_max_attempts": _ATTEMPTS},
        connect_timeout=2,
        read_timeout=4,
        max_pool_connections=AT_ONCE,
    )
    opening = get_session().create_client(
        "dynamodb", region_name=address.region, endpoint_url=address.endpoint, config=config
    )
    async with opening as client:
        yield Table(client, address)
