from faust_microbatch import DictStore


def test_a_dict_store_is_restored_from_its_changelog() -> None:
    store = DictStore()
    store.restore([(b"a", b"1"), (b"b", b"2"), (b"a", b"3"), (b"b", None), (b"c", None)])
    assert store == {b"a": b"3"}
    assert store.decode(store.encode(b"x")) == b"x"
    store.discard([b"a", b"never there"])
    assert not store
