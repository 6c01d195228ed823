from txfeatures.history.span import Span


def test_chunks_end_at_the_same_moments_wherever_they_begin() -> None:
    assert list(Span(start_s=60, end_s=300).chunks(120)) == [
        Span(start_s=60, end_s=120),
        Span(start_s=120, end_s=240),
        Span(start_s=240, end_s=300),
    ]
