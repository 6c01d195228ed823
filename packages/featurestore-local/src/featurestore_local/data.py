"""The data plane: putting, getting and deleting records."""

from collections.abc import Callable, Mapping
from typing import Any

from featurestore_local.clock import Clock
from featurestore_local.errors import AwsError, invalid_record
from featurestore_local.model import FeatureGroup, Record
from featurestore_local.records import (
    OFFLINE,
    ONLINE,
    check_names,
    expired_tombstone,
    make_record,
    read_record,
    read_ttl,
    read_values,
    target_stores,
    to_wire,
    tombstone,
)
from featurestore_local.registry import GroupState, Registry
from featurestore_local.values import NS_PER_S, iso_time

_MAX_UPDATED_FEATURES = 100
_MAX_BATCH_IDS = 100
_LIST_PAGE = 100


class DataPlane:
    """The operations of ``sagemaker-featurestore-runtime``.

    Every operation takes validated parameters and returns the members of its answer,
    or None for an empty one.

    Args:
        registry: The feature groups; its lock makes each operation atomic.
        file_offline: Receives each record that goes to the offline store.
        clock: Determines which records have expired.
    """

    def __init__(
        self,
        registry: Registry,
        *,
        file_offline: Callable[[FeatureGroup, Record], None],
        clock: Clock,
    ) -> None:
        self._registry = registry
        self._file_offline = file_offline
        self._clock = clock

    def put_record(self, params: Mapping[str, Any]) -> None:
        """Write one record."""
        with self._registry.lock:
            state = self._registry.serving(params["FeatureGroupName"], "ValidationError")
            self._put(state, params, params.get("TtlDuration"))

    def batch_write_record(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Write each entry on its own and return refused ones in ``Errors``."""
        errors = []
        with self._registry.lock:
            states = [
                self._registry.serving(entry["FeatureGroupName"], "ResourceNotFound")
                for entry in params["Entries"]
            ]
            for state, entry in zip(states, params["Entries"], strict=True):
                try:
                    ttl = entry.get("TtlDuration") or params.get("TtlDuration")
                    self._put(state, entry, ttl)
                except AwsError as error:
                    errors.append(
                        {"Entry": entry, "ErrorCode": error.code, "ErrorMessage": error.message}
                    )
        return {"Errors": errors, "UnprocessedEntries": []}

    def get_record(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Return a record, or an empty answer if there is none."""
        with self._registry.lock:
            state = self._registry.serving(params["FeatureGroupName"], "ResourceNotFound")
            return self._get(
                state,
                params["RecordIdentifierValueAsString"],
                names=params.get("FeatureNames", []),
                with_expiry=params.get("ExpirationTimeResponse") == "Enabled",
            )

    def batch_get_record(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Return the records that exist, and in ``Errors`` identifiers that can't be read."""
        records, errors = [], []
        wanted = sum(len(each["RecordIdentifiersValueAsString"]) for each in params["Identifiers"])
        if wanted > _MAX_BATCH_IDS:
            raise invalid_record(f"BatchGetRecord takes at most {_MAX_BATCH_IDS} identifiers.")
        with self._registry.lock:
            for identifier in params["Identifiers"]:
                name = identifier["FeatureGroupName"]
                for record_id in identifier["RecordIdentifiersValueAsString"]:
                    common = {"FeatureGroupName": name, "RecordIdentifierValueAsString": record_id}
                    try:
                        found = self._get(
                            self._registry.serving(name, "ResourceNotFound"),
                            record_id,
                            names=identifier.get("FeatureNames", []),
                            with_expiry=params.get("ExpirationTimeResponse") == "Enabled",
                        )
                    except AwsError as error:
                        cause = {"ErrorCode": error.code, "ErrorMessage": error.message}
                        errors.append(common | cause)
                    else:
                        records += [common | found] if found else []
        return {"Records": records, "Errors": errors, "UnprocessedIdentifiers": []}

    def delete_record(self, params: Mapping[str, Any]) -> None:
        """Replace a record by a tombstone; for HardDelete, remove it from the online store.

        An event time that isn't later than the record's leaves the online record as it is,
        and is refused for HardDelete.
        """
        with self._registry.lock:
            state = self._registry.serving(params["FeatureGroupName"], "ValidationError")
            stores = target_stores(state.group, params.get("TargetStores"))
            gone = tombstone(
                state.group, params["RecordIdentifierValueAsString"], params["EventTime"]
            )
            if ONLINE in stores:
                is_newest = state.online.put(gone)
                if params.get("DeletionMode") == "HardDelete":
                    if not is_newest:
                        raise invalid_record("EventTime must be later than the record's.")
                    state.online.remove(gone.record_id)
            if OFFLINE in stores:
                self._file_offline(state.group, gone)

    def update_record(self, params: Mapping[str, Any]) -> None:
        """Change some features of a record; equal event times are applied, older ones refused."""
        with self._registry.lock:
            state = self._registry.serving(params["FeatureGroupName"], "ResourceNotFound")
            group, record_id = state.group, params["RecordIdentifierValueAsString"]
            stores = self._updatable_stores(group, params)
            changes = read_values(group, params["Features"])
            if changes.get(group.record_identifier, record_id) != record_id:
                raise invalid_record("The record identifier of a record can't change.")
            if "TtlDuration" in params and group.event_time not in changes:
                raise invalid_record("TtlDuration needs a value for the event time feature.")
            held = state.online.get(record_id)
            if held is None or not held.is_readable(self._now_ns()):
                raise AwsError("ResourceNotFound", f"There is no record [{record_id}] to update.")
            ttl = read_ttl(params.get("TtlDuration"))
            record = make_record(group, {**held.values, **changes}, ttl)
            if record.event_time_ns < held.event_time_ns:
                raise AwsError("ConflictException", "EventTime is older than the record's.")
            state.online.replace(record)
            if OFFLINE in stores:
                self._file_offline(group, record)

    def list_records(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Return a page of record identifiers, in order."""
        with self._registry.lock:
            state = self._registry.serving(params["FeatureGroupName"], "ResourceNotFound")
            self._need_online(state.group)
            now_ns = self._now_ns()
            with_deleted = params.get("IncludeSoftDeletedRecords", False)
            record_ids = sorted(
                record.record_id
                for record in state.online
                if record.is_readable(now_ns) or (with_deleted and record.is_deleted)
            )
        size, after = params.get("MaxResults", _LIST_PAGE), params.get("NextToken", "")
        rest = [record_id for record_id in record_ids if record_id > after]
        more = {"NextToken": rest[size - 1]} if len(rest) > size else {}
        return {"RecordIdentifiers": rest[:size]} | more

    def expire(self) -> None:
        """Delete expired records and file their tombstones offline, as AWS does after a while."""
        now_ns = self._now_ns()
        with self._registry.lock:
            for state in self._registry:
                for record in state.online.remove_expired(now_ns):
                    if state.group.offline is not None and not record.is_deleted:
                        self._file_offline(state.group, expired_tombstone(state.group, record))

    def _put(
        self, state: GroupState, entry: Mapping[str, Any], ttl: Mapping[str, Any] | None
    ) -> None:
        record = read_record(state.group, entry["Record"], read_ttl(ttl))
        stores = target_stores(state.group, entry.get("TargetStores"))
        if ONLINE in stores:
            state.online.put(record)
        if OFFLINE in stores:
            self._file_offline(state.group, record)

    def _get(
        self, state: GroupState, record_id: str, *, names: list[str], with_expiry: bool
    ) -> dict[str, Any]:
        self._need_online(state.group)
        check_names(state.group, names)
        record = state.online.get(record_id)
        if record is None or not record.is_readable(self._now_ns()):
            return {}
        values = to_wire(record.only(names))
        found: dict[str, Any] = {"Record": values} if values else {}
        if with_expiry and record.expires_at_ns is not None:
            found["ExpiresAt"] = iso_time(record.expires_at_ns)
        return found

    def _updatable_stores(self, group: FeatureGroup, params: Mapping[str, Any]) -> frozenset[str]:
        stores = target_stores(group, params.get("TargetStores"))
        if group.online is None or group.online.storage_type == "Standard":
            raise invalid_record("UpdateRecord needs an online store of type Standard_V2.")
        if ONLINE not in stores:
            raise invalid_record("UpdateRecord can't write to the OfflineStore alone.")
        if len(params["Features"]) > _MAX_UPDATED_FEATURES:
            raise invalid_record(f"UpdateRecord takes at most {_MAX_UPDATED_FEATURES} features.")
        return stores

    def _need_online(self, group: FeatureGroup) -> None:
        if group.online is None:
            raise invalid_record(f"FeatureGroup [{group.name}] has no {ONLINE}.")

    def _now_ns(self) -> int:
        return int(self._clock.now() * NS_PER_S)
