"""The documents that are made from the code: catalogue of events, JSON Schemas, AsyncAPI, OpenAPI.

What must stay true: they say what the code says and nothing else, so that a test can compare. The kept form's fields are
nobody's business outside and stand in no public schema.
"""
