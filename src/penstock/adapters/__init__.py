"""Technology behind the ports: storage/ blobs/ online/ executors/ forges/ builders/ remote/"""
