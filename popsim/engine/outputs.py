"""placeholder; being replaced"""
BUCKETS = 4096
COARSE = 512
