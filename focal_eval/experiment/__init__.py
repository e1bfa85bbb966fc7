"""Changes something on purpose and judges or plays again: what would the suite notice?"""
