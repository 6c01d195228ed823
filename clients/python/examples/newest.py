from datetime import timedelta

from txfeatures.client import Features

with Features() as features:  # Features("https://features.example.org", token="...")
    newest = features.latest()
    print(newest.tx_minute, newest.total_nb_trx_1min, newest.avg_fee_1min, newest.is_final)
    hour = features.history(newest.minute - timedelta(hours=1), frame="pandas")
    print(hour[["total_nb_trx_1min", "total_fee_1min"]].describe())
    for row in features.stream(after=newest):
        print(row.id, row.total_fee_1min)
